# SPDX-License-Identifier: Apache-2.0
"""Modules that torch.export traces as quantisers, put in place of those of other libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

ROUND: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "even": torch.round,
    "odd": lambda x: torch.round(x - 1) + 1,
    "upper": lambda x: torch.floor(x + 0.5),
    "lower": lambda x: torch.ceil(x - 0.5),
    "down": torch.floor,
    "up": torch.ceil,
}


@torch.library.custom_op("akc::levels", mutates_args=())
def levels(x: torch.Tensor, low: float, high: float, scale: float, rounding: str) -> torch.Tensor:
    """What nn.levels of the text computes."""
    zero = -low / scale
    level = torch.clamp(ROUND[rounding](x / scale + zero), 0, round((high - low) / scale))
    return (level - zero) * scale


@levels.register_fake
def _(x: torch.Tensor, low: float, high: float, scale: float, rounding: str) -> torch.Tensor:
    return torch.empty_like(x)


class FakeLevels(nn.Module):
    """A quantiser; see akc.ir.ops.nn.Levels."""

    def __init__(self, low: float, high: float, scale: float, rounding: str) -> None:
        super().__init__()
        self.numbers = (low, high, scale, rounding)

    def forward(self, x: torch.Tensor) -> Any:
        """The nearest levels."""
        return levels(x, *self.numbers)


class Stepped(nn.Module):
    """A layer whose weights are whole numbers of steps [units]."""

    step: torch.Tensor
    zero: torch.Tensor

    def __init__(self, layer: Any, step: torch.Tensor) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("step", step.float().abs())
        self.register_buffer("zero", torch.zeros(len(step), dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> Any:
        """The layer, with weights that are seen to be whole."""
        weight = torch.fake_quantize_per_channel_affine(self.layer.weight, self.step, self.zero, 0, -128, 127)
        return torch.func.functional_call(self.layer, {"weight": weight}, (x,))
