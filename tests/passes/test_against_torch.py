# SPDX-License-Identifier: Apache-2.0
"""PyTorch networks, lowered to what the chip has, give PyTorch's own numbers: no shift by a cell anywhere.

Each network ends in a flatten and an identity, so that every cell of the last map is compared. A network that
the chip cannot take is refused; none is bent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import run_pipeline
from akc.frontends.torch.export import read_torch
from akc.ir.module import Module
from akc.passes import LEGALISE
from tests.passes.building import context, outputs

SEEDS = range(60)
SMALLEST = 6
"""Rows and columns that a map needs for another stage."""


def _stage(random: np.random.Generator, channels: int) -> list[nn.Module]:
    """A convolution with its activation, now and then with a pool."""
    filters, kernel = int(random.integers(2, 5)), int(random.integers(1, 6))
    stride = 2 if kernel <= 3 and random.random() < 0.35 else 1
    pad = int(random.choice([0, kernel // 2]))
    groups = channels if random.random() < 0.2 else 1
    filters = channels if groups > 1 else filters
    stage: list[nn.Module] = [nn.Conv2d(channels, filters, kernel, stride, pad, groups=groups)]
    stage += [nn.BatchNorm2d(filters)] if random.random() < 0.3 else []
    stage += [nn.ReLU() if random.random() < 0.8 else nn.ReLU6()]
    stage += [nn.MaxPool2d(2)] if random.random() < 0.3 else []
    return stage


def _channels(stage: list[nn.Module]) -> int:
    conv = stage[0]
    assert isinstance(conv, nn.Conv2d)
    return conv.out_channels


def _network(seed: int) -> tuple[nn.Module, torch.Tensor]:
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels = int(random.choice([1, 3, 4]))
    shape = (1, channels, int(random.integers(11, 18)), int(random.integers(11, 18)))
    layers: list[nn.Module] = []
    for _ in range(int(random.integers(1, 4))):
        if min(_map(layers, shape)) < SMALLEST:
            break
        stage = _stage(random, channels)
        layers += stage
        channels = _channels(stage)
    model = nn.Sequential(*layers).eval()
    _settle(model, shape)
    return model, torch.rand(3, *shape[1:])


def _map(layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Rows and columns behind the layers so far."""
    with torch.no_grad():
        return tuple(nn.Sequential(*layers).eval()(torch.zeros(shape)).shape[2:])


def _settle(model: nn.Module, shape: tuple[int, ...]) -> None:
    """Batch norms with statistics of their own."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(8, *shape[1:]))
    model.eval()


def _seen(model: nn.Module, example: torch.Tensor) -> nn.Module:
    """The network with every cell of its map in front of an identity layer."""
    with torch.no_grad():
        size = model(example[:1]).numel()
    look = nn.Linear(size, size, bias=False)
    with torch.no_grad():
        look.weight.copy_(torch.eye(size))
    return nn.Sequential(model, nn.Flatten(), look).eval()


def _lowered(model: nn.Module, example: torch.Tensor) -> Module | None:
    module = read_torch(model, example[:1])
    try:
        return run_pipeline(module, LEGALISE, context())
    except DiagnosticError:
        return None


@cache
def _case(seed: int) -> tuple[nn.Module, torch.Tensor, Module | None]:
    model, example = _network(seed)
    whole = _seen(model, example)
    return whole, example, _lowered(whole, example)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks(seed: int) -> None:
    """Refused, or the same in every cell."""
    model, example, module = _case(seed)
    if module is not None:
        _assert_same(model, module, example)


def test_most_are_taken() -> None:
    """The rewrites find a way for more than half of the random networks."""
    assert sum(_case(seed)[2] is not None for seed in SEEDS) > len(SEEDS) // 2


def _assert_same(model: nn.Module, module: Module, example: torch.Tensor) -> None:
    with torch.no_grad():
        want = model(example).numpy()
    got = outputs(module, example.numpy())
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * max(float(np.abs(want).max()), 1e-3))


NAMED: dict[str, tuple[Any, tuple[int, ...]]] = {
    "lenet-valid": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(256, 10),
        ),
        (1, 28, 28),
    ),
    "mobilenet": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 12, 1),
            nn.ReLU6(),
            nn.Conv2d(12, 12, 3, 2, 1, groups=12),
            nn.ReLU6(),
            nn.Conv2d(12, 16, 1),
            nn.ReLU6(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        ),
        (3, 32, 32),
    ),
    "speech-conv1d": (
        lambda: nn.Sequential(
            nn.Conv1d(10, 8, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(8, 8, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 20, 4),
        ),
        (10, 20),
    ),
    "average-pools": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * 16, 4),
        ),
        (4, 16, 16),
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_known_networks(name: str) -> None:
    """Networks as people write them are taken, and give PyTorch's numbers."""
    build, shape = NAMED[name]
    torch.manual_seed(0)
    model, example = build().eval(), torch.rand(3, *shape)
    module = _lowered(model, example)
    assert module is not None
    _assert_same(model, module, example)
