# SPDX-License-Identifier: Apache-2.0
"""Quantised networks on the simulator, beside the same float networks in torch and in ONNX Runtime; one thread.

The simulator and its ONNX form take floats and give floats, so quantising the input and decoding the output count;
"integers in and out" leaves that away.

    python benchmarks/simulator.py [ROUNDS]
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from timing import fastest, table
from torch import nn

import akc
from akc.sim.engine.runtime import Part, session
from akc.sim.run import Runner

BATCH = 64


def mlp() -> tuple[nn.Module, tuple[int, ...]]:
    """784-256-10."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (784,)


def cnn() -> tuple[nn.Module, tuple[int, ...]]:
    """Two convolutions with pooling and a dense layer on 28 x 28."""
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, stride=1, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 14 * 14, 10)]
    return nn.Sequential(*layers), (1, 28, 28)


def separable() -> tuple[nn.Module, tuple[int, ...]]:
    """A strided convolution, five separable ones and a mean on 96 x 96."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU()]
    for before, after, pooled in ((16, 32, False), (32, 64, True), (64, 64, False), (64, 128, True), (128, 128, False)):
        layers += [nn.Conv2d(before, before, 3, padding=1, groups=before), nn.Conv2d(before, after, 1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pooled else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)), (3, 96, 96)


def exported(network: nn.Module, x: torch.Tensor) -> Any:
    """The float network in ONNX Runtime."""
    buffer = io.BytesIO()
    axes = {"x": {0: "n"}}
    torch.onnx.export(network, (x[:1],), buffer, dynamo=False, input_names=["x"], dynamic_axes=axes)
    return session(buffer.getvalue())


def integers(module: akc.Module, x: np.ndarray[Any, Any]) -> tuple[Any, dict[str, Any]]:
    """The chip's part alone as a session, and its input."""
    runner = Runner(module, "numpy")
    values = runner.run(x, keep=True)
    entry, exit = runner.raw_entries[0].name, runner.raw_exit
    ops = [op for op in module.net.ops if op.mnemonic.startswith("akida.")]
    part = Part(module, ops, (entry,), (exit,))
    return part, {entry: values[entry]}


def compare(name: str, make: Any, batch: int, rounds: int) -> None:
    """Print the table of one network."""
    torch.manual_seed(0)
    network, shape = make()
    network.eval()
    x = torch.rand(batch, *shape)
    module = akc.lower(network, example=x[:1], calibrate=torch.rand(16, *shape).numpy(), least=0.0)
    array = np.ascontiguousarray(x.numpy())
    float_session, whole = exported(network, x), session(akc.to_onnx(module))
    part, levels = integers(module, array)
    entry = module.net.inputs[0].name
    runners = {backend: Runner(module, backend) for backend in ("numpy", "onnxruntime")}
    tasks: dict[str, Any] = {
        "float network in torch": lambda: network(x),
        "float network in ONNX Runtime": lambda: float_session.run(None, {"x": array}),
        **{f"simulator, {b}": lambda runner=runner: runner.run(array) for b, runner in runners.items()},
        "bare call of the same model": lambda: whole.run(None, {entry: array}),
        "integers in and out": lambda: part.run(levels),
    }
    print(f"{name}, batch {batch}, fastest of {rounds}")
    with torch.inference_mode():
        print(table(fastest(tasks, rounds), next(iter(tasks))))


def main(rounds: int) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    for batch in (BATCH, 1):
        compare("MLP 784-256-10", mlp, batch, rounds)
        compare("CNN 28x28", cnn, batch, rounds)
        compare("separable CNN 96x96", separable, batch, rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100)
