# SPDX-License-Identifier: Apache-2.0
"""The training loop that the examples share: seeded, one thread, a few epochs of Adam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from examples.data import Floats

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def seeded(seed: int) -> torch.Generator:
    """One thread and one seed: the same training twice gives the same weights."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def classification_loss(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a network whose outputs are one number a class."""
    return nn.functional.cross_entropy(model(x), labels)


def fit(
    model: nn.Module,
    inputs: NDArray[np.generic],
    labels: NDArray[np.generic],
    epochs: int,
    seed: int = 0,
    batch: int = 128,
    rate: float = 2e-3,
    loss: Loss = classification_loss,
) -> None:
    """Trains the model in place with Adam and a one-cycle learning rate; leaves it in eval mode."""
    generator = seeded(seed + 1)
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))
    batches = (len(x) + batch - 1) // batch
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=epochs * batches)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(x), generator=generator), batch):
            optimizer.zero_grad()
            value = loss(model, x[rows].float(), y[rows])
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += value.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / batches:.4f}", flush=True)
    model.eval()


def outputs(model: nn.Module, inputs: NDArray[np.generic], batch: int = 500) -> Floats:
    """What the network gives for a stack of inputs, f32 [n, classes]."""
    model.eval()
    with torch.no_grad():
        parts = [model(part.float()).numpy() for part in torch.split(torch.from_numpy(inputs), batch)]
    return np.concatenate(parts)


def export_onnx(model: nn.Module, example: Tensor, path: Path, input_name: str = "image") -> None:
    """Writes the network as an ONNX file for one sample at a time (PyTorch's TorchScript-based exporter, opset 17)."""
    torch.onnx.export(
        model, (example,), str(path), input_names=[input_name], output_names=["logits"], opset_version=17, dynamo=False
    )
