# SPDX-License-Identifier: Apache-2.0
"""Modules that torch.export traces as quantisers, put in place of those of other libraries. Made when first asked for:
torch loads then."""

from __future__ import annotations

from functools import cache
from typing import Any


def rounded(x: Any, rounding: str) -> Any:
    """A tensor to whole numbers near it, by a word of nn.levels."""
    import torch

    if rounding in ("even", "odd"):
        shift = int(rounding == "odd")
        return torch.round(x - shift) + shift
    if rounding in ("upper", "down"):
        return torch.floor(x + (0.5 if rounding == "upper" else 0))
    return torch.ceil(x - (0.5 if rounding == "lower" else 0))


@cache
def fake_levels() -> Any:
    """The class of a module FakeLevels(low, high, scale, rounding) that computes nn.levels."""
    import torch

    def compute(x: torch.Tensor, low: float, high: float, scale: float, rounding: str) -> torch.Tensor:
        zero = -low / scale
        level = torch.clamp(rounded(x / scale + zero, rounding), 0, round((high - low) / scale))
        return (level - zero) * scale

    signature = "(Tensor x, float low, float high, float scale, str rounding) -> Tensor"
    levels = torch.library.custom_op("akc::levels", compute, mutates_args=(), schema=signature)
    levels.register_fake(lambda x, low, high, scale, rounding: torch.empty_like(x))

    class FakeLevels(torch.nn.Module):
        def __init__(self, low: float, high: float, scale: float, rounding: str) -> None:
            super().__init__()
            self.numbers = (low, high, scale, rounding)

        def forward(self, x: torch.Tensor) -> Any:
            return levels(x, *self.numbers)

    return FakeLevels


@cache
def stepped() -> Any:
    """The class of a module Stepped(layer, step): a layer whose weights are whole numbers of steps [units]."""
    import torch

    class Stepped(torch.nn.Module):
        step: torch.Tensor
        zero: torch.Tensor

        def __init__(self, layer: Any, step: torch.Tensor) -> None:
            super().__init__()
            self.layer = layer
            self.register_buffer("step", step.float().abs())
            self.register_buffer("zero", torch.zeros(len(step), dtype=torch.int32))

        def forward(self, x: torch.Tensor) -> Any:
            weight = torch.fake_quantize_per_channel_affine(self.layer.weight, self.step, self.zero, 0, -128, 127)
            return torch.func.functional_call(self.layer, {"weight": weight}, (x,))

    return Stepped
