# SPDX-License-Identifier: Apache-2.0
"""First convolutions whose windows the host hands over: odd lengths, strides and borders that no kernel has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import akc
from akc.passes import LEGALISE
from akc.sim.run import run


def heartbeat(length: int, kernel: int, blocks: int = 1) -> nn.Module:
    """A 1-D network whose map has an odd length in front of its first pool."""
    layers: list[nn.Module] = [nn.Conv1d(1, 8, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool1d(2)]
    for _ in range(blocks):
        layers += [nn.Conv1d(8, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * (length // 2), 5))


def keywords(kernel: tuple[int, int], padding: tuple[int, int]) -> nn.Module:
    """A DS-CNN on 49x10 features."""
    layers: list[nn.Module] = [nn.Conv2d(1, 16, kernel, 2, padding), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "187 samples": (lambda: heartbeat(187, 3), (1, 1, 187)),
    "125 samples": (lambda: heartbeat(125, 5, 2), (1, 1, 125)),
    "10x4 with stride 2": (lambda: keywords((10, 4), (4, 1)), (1, 1, 49, 10)),
    "8x4 with stride 2": (lambda: keywords((8, 4), (3, 1)), (1, 1, 49, 10)),
}


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-3.0, 3.0)])
@pytest.mark.parametrize("name", CASES)
def test_exact_and_on_the_chip(name: str, limits: tuple[float, float]) -> None:
    """The rewritten network is PyTorch's, without samples it is built, and the host is not asked for layers."""
    torch.manual_seed(0)
    make, shape = CASES[name]
    module = make().eval()
    x = torch.rand(6, *shape[1:]) * (limits[1] - limits[0]) + limits[0]
    with torch.no_grad():
        wanted = module(x).numpy()
    (got,) = run(akc.lower(module, example=shape, input_range=limits, pipeline=LEGALISE), x.numpy()).values()
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
    program = akc.build(akc.lower(module, example=shape, input_range=limits))
    assert len(program.sequences) == 1
