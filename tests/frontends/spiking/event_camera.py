# SPDX-License-Identifier: Apache-2.0
"""The N-MNIST network of the NIR paper (Pedersen et al. 2024, paper/02_cnn of neuromorphs/NIR), with random weights.

Two polarities of 34x34 cells; a 5x5 convolution with stride 2 and a border of 1, two 3x3 ones, sums over 2x2, two
dense layers, an IF behind each: as a graph of NIR, and the same layers in PyTorch and snnTorch.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nir
import numpy as np
import snntorch as snn
import torch
from snntorch import utils
from torch import nn

SHAPE = (2, 34, 34)


def weights(seed: int = 0) -> list[np.ndarray]:
    """Of the three convolutions and the two dense layers."""
    rng = np.random.default_rng(seed)
    shapes = ((16, 2, 5, 5), (16, 16, 3, 3), (8, 16, 3, 3), (256, 128), (10, 256))
    return [rng.normal(0.01, 0.9 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32).round(3) for shape in shapes]


def graph() -> Any:
    """The chain as sinabs wrote it."""
    w = weights()

    def conv(weight: np.ndarray, size: int, stride: int = 1) -> Any:
        zeros = np.zeros(len(weight), np.float32)
        return nir.Conv2d(input_shape=(size, size), weight=weight, stride=(stride, stride), padding=(1, 1),
                          dilation=(1, 1), groups=1, bias=zeros)  # fmt: skip

    def fire(*shape: int) -> Any:
        return nir.IF(r=np.ones(shape), v_threshold=np.ones(shape), v_reset=np.zeros(shape))

    pool = nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
    flat = nir.Flatten(start_dim=0, end_dim=-1, input_type={"input": np.array([8, 4, 4])})
    nodes = [
        nir.Input(input_type={"input": np.array(SHAPE)}),
        conv(w[0], 34, 2), fire(16, 16, 16), conv(w[1], 16), fire(16, 16, 16), pool,
        conv(w[2], 8), fire(8, 8, 8), pool, flat,
        nir.Affine(weight=w[3], bias=np.zeros(256)), fire(256), nir.Affine(weight=w[4], bias=np.zeros(10)), fire(10),
        nir.Output(output_type={"output": np.array([10])}),
    ]  # fmt: skip
    named = {str(i): node for i, node in enumerate(nodes)}
    return nir.NIRGraph(nodes=named, edges=list(pairwise(named)), type_check=False)


def layers(fire: Any) -> nn.Sequential:
    """The same layers, with what `fire` makes behind each; means in place of sums."""
    parts = [nn.Conv2d(2, 16, 5, 2, 1), nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 8, 3, 1, 1), nn.Linear(128, 256),
             nn.Linear(256, 10)]  # fmt: skip
    with torch.no_grad():
        for part, weight in zip(parts, weights()):
            part.weight.copy_(torch.tensor(weight))
            part.bias.zero_()
    pools = (nn.AvgPool2d(2), nn.AvgPool2d(2))
    return nn.Sequential(parts[0], fire(), parts[1], fire(), pools[0], parts[2], fire(), pools[1], nn.Flatten(),
                         parts[3], fire(), parts[4], fire())  # fmt: skip


class Loop(nn.Module):
    """The layers with snn.Leaky, a step of the input at a time, counted."""

    def __init__(self) -> None:
        super().__init__()
        self.net = layers(lambda: snn.Leaky(beta=1.0, init_hidden=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        utils.reset(self.net)
        return torch.stack([self.net(x[:, t]) for t in range(x.shape[1])]).sum(0)


def events(samples: int, steps: int, seed: int = 0) -> np.ndarray:
    """Random events, about one in twelve cells a step."""
    rng = np.random.default_rng(seed)
    return (rng.random((samples, steps, *SHAPE)) < 0.08).astype(np.float32)
