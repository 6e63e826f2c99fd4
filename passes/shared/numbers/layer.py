# SPDX-License-Identifier: Apache-2.0
"""A layer on its way to the chip: what lower-int4 knows about it, and the numbers that it gets."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.ir.module import Module, Net, Op, Value
from akc.ir.ops import akida, nn, snn
from akc.ir.weights import Weight
from akc.passes.shared.numbers.quantisation import Floats, Levels
from akc.passes.shared.numbers.trained import Kept
from akc.passes.shared.rewriting.chains import Group
from akc.passes.shared.rewriting.geometry import ImagePlan, same_sides
from akc.sim.registry import evaluate_op
from akc.sim.windows import flat_windows, padded
from akc.targets import Numbers as ChipNumbers
from akc.targets import Registers

Array = npt.NDArray[Any]


@frozen(eq=False)
class Observed:
    """Levels between two layers: the value, what its levels stand for, and the samples' levels or None."""

    value: Value
    levels: Levels
    samples: Array | None
    trained: nn.Levels | None = None
    """The quantiser of the source whose levels these are."""

    @property
    def top(self) -> int:
        """The highest level."""
        return self.levels.top if self.trained is None else self.trained.top

    def through(
        self, op: akida.Layer, weights: dict[str, Weight], levels: Levels, trained: nn.Levels | None = None
    ) -> Observed:
        """What a layer makes of it; trained: the quantiser of the source behind that layer."""
        net = Net(name="one", inputs=(self.value,), statements=(op,), outputs=(op.name,), output_types=(op.type,))
        used = {name: weights[name] for name in op.weights_used}
        module = Module(net=net, weights=used)
        result = None if self.samples is None else evaluate_op(op, [self.samples], module)
        return Observed(op.result, levels, result, trained)


def chip_levels(op: Op | None, chip: ChipNumbers) -> nn.Levels | None:
    """A quantiser of the source behind a layer, if its levels are as many as the chip's."""
    return op if isinstance(op, nn.Levels) and op.bits in chip.widths else None


@frozen(eq=False)
class Choices:
    """The options of lower-int4 that concern one layer."""

    weights: int
    activations: int
    per_layer: bool
    least_error: bool
    feedback: bool


@frozen(eq=False, kw_only=True)
class Layer:
    """A group on its way to a chip layer.

    target: the float samples of what the layer's potentials stand for, before pool and activation;
    inner_target: the same of a depthwise core; image: how the image layer takes it, or None on the mesh;
    decoded: whether potentials come out; chip: its numbers.
    """

    group: Group
    module: Module
    x: Observed
    target: Array | None
    inner_target: Array | None
    choices: Choices
    image: ImagePlan | None
    decoded: bool
    chip: ChipNumbers

    @property
    def bits(self) -> int:
        """Bits of a weight."""
        on_image = self.chip.image if self.image is not None else None
        return self.choices.weights if on_image is None else on_image.bits

    @property
    def registers(self) -> Registers:
        """Of the threshold and act_step."""
        on_image = self.chip.image if self.image is not None else None
        return self.chip.registers if on_image is None else on_image.registers

    def array(self, name: str) -> Floats:
        """Float weights in double precision."""
        return self.module.array(name).astype(np.float64)

    @property
    def bias(self) -> Floats:
        """The bias of the output channels, zeros where there is none."""
        op = self.group.filters_op
        count = self.module.weights[op.weight].type.shape[0]
        return np.zeros(count) if op.bias is None else self.array(op.bias)

    @property
    def out(self) -> Levels:
        """What the levels of the result stand for."""
        low, high = self.group.last.result.range or (0.0, 1.0)
        activation = self.group.activation
        if (own := chip_levels(activation, self.chip)) is not None:
            return Levels(float(np.float32(own.scale)), own.low, own.bits or 0)
        if activation is not None:
            low = activation.low if isinstance(activation, nn.Clip) else 0.0
            high = min(high, activation.high) if isinstance(activation, nn.Clip) else high
        return Levels.spanning(low, high, self.act_bits)

    @property
    def act_bits(self) -> int:
        """Bits of a level of the result; whole levels (snn.levels) say themselves how many there are."""
        activation = self.group.activation
        if (own := chip_levels(activation, self.chip)) is not None:
            return own.bits or 0
        if isinstance(activation, snn.Levels) and activation.high in [2**bits - 1 for bits in self.chip.widths]:
            return int(activation.high).bit_length()
        return self.choices.activations

    @property
    def border(self) -> int:
        """The level outside the input."""
        if self.image is None:
            return 0
        level = round((self.image.border - self.x.levels.offset) / self.x.levels.step)
        return min(max(level, 0), self.x.levels.top)

    @property
    def padding(self) -> str:
        """same or valid."""
        return "same" if self.image is None else self.image.padding

    def windows(self, x: Array, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Array:
        """Rows [windows, k0 * k1 * channels] of a map [batch, d0, d1, channels]."""
        sides = same_sides(x.shape[1:], kernel, stride) if self.padding == "same" else (0, 0, 0, 0)
        rows, _ = flat_windows(padded(x, sides[:2], sides[2:], self.border), kernel, stride)
        return rows


@frozen(eq=False, kw_only=True)
class Numbers:
    """What a chip layer consists of: whole weights, threshold, act_step; `more` adds fields of its own."""

    kind: type[akida.Layer]
    weights: dict[str, tuple[Array, str]]
    more: dict[str, Any]
    threshold: Array
    act_step: Array
    levels: Levels
    factor: float = 1.0
    """What decoded results are multiplied with."""
    shift: Array | None = None
    """Without activation: what the host adds to each decoded channel, where no whole threshold says it."""
    kept: Kept | None = None
    """What was kept of a layer that the source had quantised."""


def spatial(layer: Layer, conv: nn.Conv) -> dict[str, Any]:
    fields: dict[str, Any] = {"stride": conv.stride, "padding": layer.padding}
    if isinstance(layer.group.pool, nn.MaxPool):
        fields |= {"pool": "max", "pool_size": layer.group.pool.size, "pool_stride": layer.group.pool.stride}
    elif layer.group.pool is not None:
        fields["pool"] = "average"
    return fields


def cells(layer: Layer) -> int:
    """Cells that a global average sums; the chip does not divide."""
    pool = layer.group.pool
    return prod(layer.module.net.types[pool.x].shape[:2]) if isinstance(pool, nn.Mean) else 1
