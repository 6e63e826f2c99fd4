# SPDX-License-Identifier: Apache-2.0
"""Float layers, as a source network has them.

Spatial values are [d0, d1, channels] with d0 the rows; convolutions are cross-correlations with
weights [filters, d0, d1, channels]; the channel axis is always the last one.
"""

from __future__ import annotations

from math import ceil, inf

from attrs import frozen

from akc.ir.fields import (
    WeightName,
    flag,
    integer,
    integers,
    keyword,
    number,
    number_or_weight,
    operand,
    operand_list,
    text,
    weight_ref,
)
from akc.ir.module import Op
from akc.ir.signature import TypeFault, Types, need_rank
from akc.ir.types import TensorType

WEIGHT_STEP = "[filters]: where the source's weights were whole numbers, the size of one, with its sign"


@frozen(kw_only=True)
class Dense(Op):
    """A fully connected layer over the last axis: y = weight @ x + bias.

    %y = nn.dense(%x, weight=#fc.weight, bias=#fc.bias) : f32[10] from "fc"
    """

    mnemonic = "nn.dense"
    x: str = operand("input, [..., inputs]")
    weight: str = weight_ref("[units, inputs]", "f32")
    bias: str | None = weight_ref("[units]", "f32", optional=True)
    weight_step: str | None = weight_ref(WEIGHT_STEP, "f32", optional=True)

    def infer(self, types: Types) -> TensorType:
        """The last axis becomes units."""
        x, w = types.value(self.x), types.weight(self.weight)
        need_rank(w, 2, "weight of nn.dense")
        if not x.shape or w.shape[1] != x.shape[-1]:
            raise TypeFault(f"#{self.weight} takes {w.shape[1]} inputs, %{self.x} is {x}", "weight")
        types.check_vector(self.bias, w.shape[0], "bias")
        types.check_vector(self.weight_step, w.shape[0], "weight_step")
        return x.with_shape(*x.shape[:-1], w.shape[0])


def window_outputs(size: int, kernel: int, stride: int, before: int, after: int, ceil_mode: bool = False) -> int:
    """Number of window positions on one axis (PyTorch's rule: ceil_mode drops a window that starts in the padding)."""
    span = size + before + after - kernel
    if span < 0:
        return 0
    count = ceil(span / stride) + 1 if ceil_mode else span // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + before else count


@frozen(kw_only=True)
class Conv(Op):
    """A 2-D cross-correlation; 1-D networks have one of the two axes of length 1.

    %y = nn.conv(%x, weight=#c.weight, bias=#c.bias, pad=[1, 1, 1, 1]) : f32[28, 28, 8] from "c"
    """

    mnemonic = "nn.conv"
    x: str = operand("input, [d0, d1, channels]")
    weight: str = weight_ref("[filters, k0, k1, channels / groups]", "f32")
    bias: str | None = weight_ref("[filters]", "f32", optional=True)
    stride: tuple[int, ...] = integers("steps on d0 and d1", 2, (1, 1), low=1)
    pad: tuple[int, ...] = integers("zeros before d0, before d1, after d0, after d1", 4, (0, 0, 0, 0), low=0)
    dilation: tuple[int, ...] = integers("distance of the taps on d0 and d1", 2, (1, 1), low=1)
    groups: int = integer("channel groups; equal to channels for a depthwise convolution", 1, low=1)
    weight_step: str | None = weight_ref(WEIGHT_STEP, "f32", optional=True)

    def infer(self, types: Types) -> TensorType:
        """Window count per axis, filters last."""
        x, w = types.value(self.x), types.weight(self.weight)
        need_rank(x, 3, "nn.conv")
        need_rank(w, 4, "weight of nn.conv")
        if w.shape[3] * self.groups != x.shape[2] or w.shape[0] % self.groups:
            raise TypeFault(f"#{self.weight} is {w} in {self.groups} groups, %{self.x} is {x}", "weight")
        types.check_vector(self.bias, w.shape[0], "bias")
        types.check_vector(self.weight_step, w.shape[0], "weight_step")
        out = [
            window_outputs(
                x.shape[a], (w.shape[1 + a] - 1) * self.dilation[a] + 1, self.stride[a], self.pad[a], self.pad[2 + a]
            )
            for a in (0, 1)
        ]
        if min(out) < 1:
            raise TypeFault(f"the kernel {w.shape[1]}x{w.shape[2]} is larger than the padded {x}", "weight")
        return x.with_shape(*out, w.shape[0])


@frozen(kw_only=True)
class MaxPool(Op):
    """The largest value of each window; padding never wins.

    %y = nn.max_pool(%x, size=[2, 2], stride=[2, 2]) : f32[14, 14, 8] from "pool"
    """

    mnemonic = "nn.max_pool"
    x: str = operand("input, [d0, d1, channels]")
    size: tuple[int, ...] = integers("window on d0 and d1", 2, low=1)
    stride: tuple[int, ...] = integers("steps on d0 and d1", 2, low=1)
    pad: tuple[int, ...] = integers("padding before d0, before d1, after d0, after d1", 4, (0, 0, 0, 0), low=0)
    ceil_mode: bool = flag("whether a last window may stick out")

    def infer(self, types: Types) -> TensorType:
        """Window count per axis."""
        return _pool_type(self, types)


@frozen(kw_only=True)
class AveragePool(Op):
    """The mean of each window.

    %y = nn.average_pool(%x, size=[2, 2], stride=[2, 2]) : f32[14, 14, 8] from "pool"
    """

    mnemonic = "nn.average_pool"
    x: str = operand("input, [d0, d1, channels]")
    size: tuple[int, ...] = integers("window on d0 and d1", 2, low=1)
    stride: tuple[int, ...] = integers("steps on d0 and d1", 2, low=1)
    pad: tuple[int, ...] = integers("zeros before d0, before d1, after d0, after d1", 4, (0, 0, 0, 0), low=0)
    ceil_mode: bool = flag("whether a last window may stick out")
    count_include_pad: bool = flag("whether padding counts in the divisor", True)

    def infer(self, types: Types) -> TensorType:
        """Window count per axis."""
        return _pool_type(self, types)


def _pool_type(op: MaxPool | AveragePool, types: Types) -> TensorType:
    x = types.value(op.x)
    need_rank(x, 3, op.mnemonic)
    out = [window_outputs(x.shape[a], op.size[a], op.stride[a], op.pad[a], op.pad[2 + a], op.ceil_mode) for a in (0, 1)]
    if min(out) < 1:
        raise TypeFault(f"the window {op.size[0]}x{op.size[1]} is larger than the padded {x}", "size")
    return x.with_shape(*out, x.shape[2])


@frozen(kw_only=True)
class Mean(Op):
    """The mean over whole axes, which disappear; over d0 and d1 it is global average pooling.

    %y = nn.mean(%x, axes=[0, 1]) : f32[8] from "gap"
    """

    mnemonic = "nn.mean"
    x: str = operand("input")
    axes: tuple[int, ...] = integers("axes to average over, from 0", low=0)

    def infer(self, types: Types) -> TensorType:
        """The axes are removed."""
        x = types.value(self.x)
        if any(a >= len(x.shape) for a in self.axes):
            raise TypeFault(f"%{self.x} is {x}, it has no axis {max(self.axes)}", "axes")
        return x.with_shape(*(n for a, n in enumerate(x.shape) if a not in self.axes))


@frozen(kw_only=True)
class BatchNorm(Op):
    """Batch normalisation with frozen statistics: (x - mean) / sqrt(variance + epsilon) * scale + shift.

    %y = nn.batch_norm(%x, scale=#bn.scale, shift=#bn.shift, mean=#bn.mean, variance=#bn.variance) : f32[8] from "bn"
    """

    mnemonic = "nn.batch_norm"
    x: str = operand("input, channels last")
    scale: str = weight_ref("[channels], gamma", "f32")
    shift: str = weight_ref("[channels], beta", "f32")
    mean: str = weight_ref("[channels]", "f32")
    variance: str = weight_ref("[channels]", "f32")
    epsilon: float = number("added to the variance", 1e-5, low=0.0)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        for key in ("scale", "shift", "mean", "variance"):
            types.check_vector(getattr(self, key), x.shape[-1] if x.shape else 1, key)
        return x


@frozen(kw_only=True)
class Affine(Op):
    """x * scale + shift, per channel (last axis) or with one number; normalisation arrives as this.

    %y = nn.affine(%x, scale=3.25, shift=-0.42) : f32[28, 28, 1] from "normalize"
    """

    mnemonic = "nn.affine"
    x: str = operand("input, channels last")
    scale: float | WeightName = number_or_weight("factor, one number or [channels]", 1.0)
    shift: float | WeightName = number_or_weight("summand, one number or [channels]", 0.0)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        for key in ("scale", "shift"):
            value = getattr(self, key)
            if isinstance(value, WeightName):
                types.check_vector(value, x.shape[-1] if x.shape else 1, key)
        return x


@frozen(kw_only=True)
class _Elementwise(Op):
    """Operations that keep the type of their one operand."""

    x: str = operand("input")

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        return types.value(self.x)


@frozen(kw_only=True)
class Relu(_Elementwise):
    """max(x, 0).

    %y = nn.relu(%x) : f32[10] from "relu"
    """

    mnemonic = "nn.relu"


@frozen(kw_only=True)
class Clip(_Elementwise):
    """min(max(x, low), high); ReLU6 is low 0, high 6.

    %y = nn.clip(%x, low=0.0, high=6.0) : f32[10] from "relu6"
    """

    mnemonic = "nn.clip"
    low: float = number("smallest result", 0.0)
    high: float = number("largest result")


@frozen(kw_only=True)
class Levels(Clip):
    """A quantiser of the source: the nearest of the numbers low, low + scale ... high, as float again.

    clip(round(x / scale + zero), 0, top) is the level, with zero = -low / scale, a whole number or one and a half, and
    top = (high - low) / scale; (level - zero) * scale the result. rounding says which level a number halfway between
    two gets: an even one, an odd one, the upper or the lower; or to round down or up everywhere.

    %q = nn.levels(%x, high=3.75, scale=0.25) : f32[10] from "act_quant"
    """

    mnemonic = "nn.levels"
    border = True
    scale: float = number("distance of two levels")
    rounding: str = keyword("halves go to", "even", "odd", "upper", "lower", "down", "up", default="even")

    @property
    def zero(self) -> float:
        """The level of 0.0, a whole number or one and a half."""
        return round(-2 * self.low / self.scale) / 2

    @property
    def top(self) -> int:
        """The highest level."""
        return round((self.high - self.low) / self.scale)

    @property
    def bits(self) -> int | None:
        """Bits of a level where the levels are 2, 4 or 16, as the chip has them, or 256; else None."""
        return {1: 1, 3: 2, 15: 4, 255: 8}.get(self.top)

    def infer(self, types: Types) -> TensorType:
        """Unchanged; the numbers must make at least two levels."""
        if not (0 < self.scale < inf and self.low < self.high < inf and 1 <= self.top <= 65535):
            raise TypeFault(f"low {self.low:g}, high {self.high:g} and scale {self.scale:g} make no levels", "scale")
        return super().infer(types)


@frozen(kw_only=True)
class Sigmoid(_Elementwise):
    """1 / (1 + exp(-x)); at the very end only, where the host computes it.

    %y = nn.sigmoid(%x) : f32[10] from "sigmoid"
    """

    mnemonic = "nn.sigmoid"
    border = True


@frozen(kw_only=True)
class _Softmax(_Elementwise):
    """Operations along one axis that keep the type."""

    axis: int = integer("axis, from 0 or negative from the end", -1)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        return types.value(self.x)


@frozen(kw_only=True)
class Softmax(_Softmax):
    """exp(x) over its sum along an axis; at the very end only, where the host computes it.

    %y = nn.softmax(%x) : f32[10] from "softmax"
    """

    mnemonic = "nn.softmax"
    border = True


@frozen(kw_only=True)
class LogSoftmax(_Softmax):
    """The logarithm of nn.softmax.

    %y = nn.log_softmax(%x) : f32[10] from "log_softmax"
    """

    mnemonic = "nn.log_softmax"
    border = True


@frozen(kw_only=True)
class Argmax(Op):
    """The index of the largest value along an axis, the first on ties; the axis disappears.

    %y = nn.argmax(%x) : i64[] from "argmax"
    """

    mnemonic = "nn.argmax"
    border = True
    x: str = operand("input")
    axis: int = integer("axis, from 0 or negative from the end", -1)
    keep_axis: bool = flag("whether the axis stays, with length 1")

    def infer(self, types: Types) -> TensorType:
        """The axis is removed or becomes 1."""
        x = types.value(self.x)
        axis = self.axis % len(x.shape) if x.shape else 0
        kept = [1] if self.keep_axis else []
        return TensorType("i64", (*x.shape[:axis], *kept, *x.shape[axis + 1 :]), x.steps)


@frozen(kw_only=True)
class Cast(Op):
    """Whole numbers as floats: what a network does with the bytes that it is given.

    %y = nn.cast(%x) : f32[3, 224, 224] from "to_float"
    """

    mnemonic = "nn.cast"
    border = True
    x: str = operand("whole numbers")

    def infer(self, types: Types) -> TensorType:
        """f32, of the same shape."""
        x = types.value(self.x)
        return TensorType("f32", x.shape, x.steps)


@frozen(kw_only=True)
class Reshape(Op):
    """The same numbers, row-major, in another shape; flattening is a reshape to one axis.

    %y = nn.reshape(%x, shape=[784]) : f32[784] from "flatten"
    """

    mnemonic = "nn.reshape"
    border = True
    x: str = operand("input")
    shape: tuple[int, ...] = integers("the new shape", low=0)

    def infer(self, types: Types) -> TensorType:
        """The shape given, with as many elements."""
        x = types.value(self.x)
        new = x.with_shape(*self.shape)
        if new.size != x.size:
            raise TypeFault(f"%{self.x} is {x} with {x.size} elements, the new shape has {new.size}", "shape")
        return new


@frozen(kw_only=True)
class Permute(Op):
    """Axes in another order: axis i of the result is axis order[i] of x.

    %y = nn.permute(%x, order=[1, 2, 0]) : f32[28, 28, 1] from "to_channels_last"
    """

    mnemonic = "nn.permute"
    border = True
    x: str = operand("input")
    order: tuple[int, ...] = integers("which axis of x comes where", low=0)

    def infer(self, types: Types) -> TensorType:
        """The axes permuted."""
        x = types.value(self.x)
        if sorted(self.order) != list(range(len(x.shape))):
            raise TypeFault(f"%{self.x} is {x}, {list(self.order)} is no order of its axes", "order")
        return x.with_shape(*(x.shape[a] for a in self.order))


@frozen(kw_only=True)
class Flip(Op):
    """The same numbers with some axes in reverse order.

    %y = nn.flip(%x, axes=[0, 1]) : f32[28, 28, 1] from "mirrored"
    """

    mnemonic = "nn.flip"
    border = True
    x: str = operand("input")
    axes: tuple[int, ...] = integers("axes to reverse, from 0", low=0)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        if any(a >= len(x.shape) for a in self.axes):
            raise TypeFault(f"%{self.x} is {x}, it has no axis {max(self.axes)}", "axes")
        return x


@frozen(kw_only=True)
class Repeat(Op):
    """Each cell of an axis several times, one after the other: [a, b] twice is [a, a, b, b].

    %y = nn.repeat(%x, axis=0, count=4) : f32[4, 187, 1] from "rows"
    """

    mnemonic = "nn.repeat"
    border = True
    x: str = operand("input")
    axis: int = integer("the axis, from 0", low=0)
    count: int = integer("how often each cell is there", low=1)

    def infer(self, types: Types) -> TensorType:
        """The axis gets count times as long."""
        x = types.value(self.x)
        if self.axis >= len(x.shape):
            raise TypeFault(f"%{self.x} is {x}, it has no axis {self.axis}", "axis")
        return x.with_shape(*(n * self.count if a == self.axis else n for a, n in enumerate(x.shape)))


@frozen(kw_only=True)
class Pad(Op):
    """A constant border around d0 and d1.

    %y = nn.pad(%x, pad=[1, 1, 1, 1]) : f32[30, 30, 1] from "pad"
    """

    mnemonic = "nn.pad"
    border = True
    x: str = operand("input, [d0, d1, channels]")
    pad: tuple[int, ...] = integers("cells before d0, before d1, after d0, after d1", 4, low=0)
    value: float = number("what the border holds", 0.0)

    def infer(self, types: Types) -> TensorType:
        """Both spatial axes grow."""
        x = types.value(self.x)
        need_rank(x, 3, "nn.pad")
        b0, b1, a0, a1 = self.pad
        return x.with_shape(x.shape[0] + b0 + a0, x.shape[1] + b1 + a1, x.shape[2])


@frozen(kw_only=True)
class Opaque(Op):
    """Something the source network has and akc has no operation for; refused when lowered, by this name.

    %y = nn.opaque(%x, op="LayerNorm") : f32[10] from "norm1"
    """

    mnemonic = "nn.opaque"
    inputs: tuple[str, ...] = operand_list("what it reads")
    op: str = text("the name that users of the source framework know")

    def infer(self, types: Types) -> TensorType:
        """Whatever the text says."""
        return self.result.type
