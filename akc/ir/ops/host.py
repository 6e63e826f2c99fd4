# SPDX-License-Identifier: Apache-2.0
"""Border operations: what the host does between the source network's numbers and the chip's."""

from __future__ import annotations

from math import frexp

from attrs import frozen

from akc.ir.fields import WeightName, integer, number, number_or_weight, operand, weight_ref
from akc.ir.module import Op
from akc.ir.signature import TypeFault, Types, need_dtype
from akc.ir.types import TensorType


@frozen(kw_only=True)
class Quantize(Op):
    """Floats to levels: clip(round_half_even(x / scale) + zero_point, 0, 2**bits - 1).

    A vector [n] becomes [1, 1, n], since chip values have three axes. scale is in units of x.

    %q = host.quantize(%x, scale=0.06666667, bits=4) : u4[1, 1, 784]
    """

    mnemonic = "host.quantize"
    border = True
    x: str = operand("input, f32")
    scale: float | WeightName = number_or_weight("size of one level, one number or [channels]")
    zero_point: int = integer("the level of 0.0", 0)
    bits: int = integer("bits of a level", low=1, high=8)

    def infer(self, types: Types) -> TensorType:
        """u<bits> with three axes."""
        x = types.value(self.x)
        need_dtype(x, "host.quantize", "f32")
        if self.bits not in (1, 2, 3, 4, 8):
            raise TypeFault(f"levels have 1, 2, 3, 4 or 8 bits, found {self.bits}", "bits", code="AKC0107")
        return TensorType(f"u{self.bits}", _three_axes(x), x.steps)


def _three_axes(x: TensorType) -> tuple[int, ...]:
    if len(x.shape) > 3:
        raise TypeFault(f"a chip value has at most three axes, found {x}")
    return (1,) * (3 - len(x.shape)) + x.shape


@frozen(kw_only=True)
class Decode(Op):
    """Potentials to floats: float32(int32(P - threshold)) / act_step, as the vendor's predict does, times factor.

    [1, 1, n] becomes [n]. The vendor's tools take no act_step below 1/16; larger answers have a factor, which rounds
    nothing.

    %y = host.decode(%p, threshold=#fc2.threshold, act_step=#fc2.act_step) : f32[10]
    """

    mnemonic = "host.decode"
    border = True
    x: str = operand("potentials, i32")
    threshold: str | None = weight_ref("[channels]; 0 where absent", "i32", optional=True)
    act_step: str | None = weight_ref("[channels]; 1 where absent", "f32", optional=True)
    factor: float = number("what the results are multiplied with, a power of two", 1.0)

    def infer(self, types: Types) -> TensorType:
        """f32, leading axes of length 1 dropped."""
        x = types.value(self.x)
        need_dtype(x, "host.decode", "i32")
        if frexp(self.factor)[0] != 0.5 or not 1 <= self.factor <= 2.0**127:
            raise TypeFault(f"factor is a power of two from 1 on, found {self.factor:g}", "factor", code="AKC0107")
        types.check_vector(self.threshold, x.shape[-1], "threshold")
        types.check_vector(self.act_step, x.shape[-1], "act_step")
        return TensorType("f32", x.shape[2:] if x.shape[:2] == (1, 1) else x.shape, x.steps)


@frozen(kw_only=True)
class Dequantize(Op):
    """Levels to floats: (x - zero_point) * scale; [1, 1, n] becomes [n].

    %y = host.dequantize(%s, scale=0.4) : f32[10]
    """

    mnemonic = "host.dequantize"
    border = True
    x: str = operand("levels")
    scale: float | WeightName = number_or_weight("size of one level, one number or [channels]")
    zero_point: int = integer("the level of 0.0", 0)

    def infer(self, types: Types) -> TensorType:
        """f32, leading axes of length 1 dropped."""
        x = types.value(self.x)
        need_dtype(x, "host.dequantize", "u1", "u2", "u3", "u4", "u8")
        return TensorType("f32", x.shape[2:] if x.shape[:2] == (1, 1) else x.shape, x.steps)


# -- time ----------------------------------------------------------------------------------------


def _need_steps(x: TensorType, what: str) -> int:
    if x.steps is None:
        raise TypeFault(f"{what} takes a value with a time axis, found {x}", "x")
    return x.steps


@frozen(kw_only=True)
class Repeat(Op):
    """The same value at every step: direct coding of an input current.

    %t = host.repeat(%x, steps=15) : f32[T=15, 784]
    """

    mnemonic = "host.repeat"
    border = True
    x: str = operand("a value without time axis")
    steps: int = integer("number of steps", low=1)

    def infer(self, types: Types) -> TensorType:
        """A time axis in front."""
        x = types.value(self.x)
        if x.steps is not None:
            raise TypeFault(f"%{self.x} already has a time axis: {x}", "x")
        return TensorType(x.dtype, x.shape, self.steps)


@frozen(kw_only=True)
class Sum(Op):
    """The sum over time; with `weights` each step counts as much as its entry says.

    A time-to-first-spike code becomes a level with one weight a step.

    %n = host.sum(%s) : f32[10] from "count"
    """

    mnemonic = "host.sum"
    border = True
    x: str = operand("values over time")
    weights: str | None = weight_ref("[steps]; 1 where absent", "f32", optional=True)

    def infer(self, types: Types) -> TensorType:
        """The time axis disappears."""
        x = types.value(self.x)
        types.check_vector(self.weights, _need_steps(x, "host.sum"), "weights")
        return TensorType(x.dtype, x.shape)


@frozen(kw_only=True)
class Mean(Op):
    """The mean over time.

    %v = host.mean(%m) : f32[10] from "mean"
    """

    mnemonic = "host.mean"
    border = True
    x: str = operand("values over time, f32")

    def infer(self, types: Types) -> TensorType:
        """The time axis disappears."""
        x = types.value(self.x)
        need_dtype(x, "host.mean", "f32")
        _need_steps(x, "host.mean")
        return TensorType(x.dtype, x.shape)


@frozen(kw_only=True)
class Max(Op):
    """The largest value over time.

    %v = host.max(%m) : f32[10] from "max"
    """

    mnemonic = "host.max"
    border = True
    x: str = operand("values over time")

    def infer(self, types: Types) -> TensorType:
        """The time axis disappears."""
        x = types.value(self.x)
        _need_steps(x, "host.max")
        return TensorType(x.dtype, x.shape)


@frozen(kw_only=True)
class Last(Op):
    """The value at the last step.

    %v = host.last(%m) : f32[10] from "membrane"
    """

    mnemonic = "host.last"
    border = True
    x: str = operand("values over time")

    def infer(self, types: Types) -> TensorType:
        """The time axis disappears."""
        x = types.value(self.x)
        _need_steps(x, "host.last")
        return TensorType(x.dtype, x.shape)


@frozen(kw_only=True)
class Window(Op):
    """Sums over `count` equal windows of the time axis; window k ends before step (k + 1) steps // count.

    %w = host.window(%events, count=3) : f32[T=3, 34, 34, 2]
    """

    mnemonic = "host.window"
    border = True
    x: str = operand("values over time")
    count: int = integer("number of windows", low=1)

    def infer(self, types: Types) -> TensorType:
        """As many steps as windows."""
        x = types.value(self.x)
        if self.count > _need_steps(x, "host.window"):
            raise TypeFault(f"{x.steps} steps cannot be cut into {self.count} windows", "count")
        return TensorType(x.dtype, x.shape, self.count)


@frozen(kw_only=True)
class Frames(Op):
    """The time axis as an ordinary first axis, for a layer that reads all windows at once.

    %f = host.frames(%w) : f32[7, 256]
    """

    mnemonic = "host.frames"
    border = True
    x: str = operand("values over time")

    def infer(self, types: Types) -> TensorType:
        """The time axis comes first in the shape."""
        x = types.value(self.x)
        return TensorType(x.dtype, (_need_steps(x, "host.frames"), *x.shape))


@frozen(kw_only=True)
class Previous(Op):
    """The value of the step before, zeros at the first step; the operand may be defined further down.

    %before = host.previous(%spikes) : f32[T=100, 256] from "lif1"
    """

    mnemonic = "host.previous"
    border = True
    x: str = operand("values over time", forward=True)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        _need_steps(x, "host.previous")
        return x


@frozen(kw_only=True)
class Add(Op):
    """The sum of two values of one type.

    %i = host.add(%input, %feedback) : f32[T=100, 256]
    """

    mnemonic = "host.add"
    border = True
    x: str = operand("f32")
    y: str = operand("f32, the same type")

    def infer(self, types: Types) -> TensorType:
        """The type of both."""
        x, y = types.value(self.x), types.value(self.y)
        need_dtype(x, "host.add", "f32")
        if x != y:
            raise TypeFault(f"%{self.x} is {x}, %{self.y} is {y}", "y")
        return x


@frozen(kw_only=True)
class Tanh(Op):
    """The hyperbolic tangent, the neuron of an echo state network; runs on the host only.

    %s = host.tanh(%i) : f32[T=100, 256]
    """

    mnemonic = "host.tanh"
    x: str = operand("f32")

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        need_dtype(types.value(self.x), "host.tanh", "f32")
        return types.value(self.x)
