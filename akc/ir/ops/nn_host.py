# SPDX-License-Identifier: Apache-2.0
"""Float layers that no layer of the chip computes: joins of branches, other activations, norms at run time.

`legalize` refuses them by `layer_name`, the name that their users know; with --host=allow the host runs them.
"""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import (
    WeightName,
    integer,
    integers,
    keyword,
    number,
    number_or_weight,
    operand,
    operand_list,
    weight_ref,
)
from akc.ir.functions import FUNCTIONS, JOINS, REDUCTIONS
from akc.ir.module import Op
from akc.ir.signature import TypeFault, Types, need_rank
from akc.ir.types import TensorType


@frozen(kw_only=True)
class HostLayer(Op):
    """A layer for the host. layer_name: a row of akc.ir.opaque.OPAQUE_KINDS."""

    layer_name = ""


# -- joins -------------------------------------------------------------------------------------------


def _broadcast(op: Op, x: TensorType, y: TensorType, shape: tuple[int, ...] | None) -> TensorType:
    """The type of an elementwise result; raises TypeFault where shapes or time do not go together."""
    if shape is None:
        raise TypeFault(f"{op.mnemonic} joins {x} and {y}, whose axes do not go together", "y")
    if x.steps is not None and y.steps is not None and x.steps != y.steps:
        raise TypeFault(f"{op.mnemonic} joins {x} and {y}, which have different numbers of steps", "y")
    return TensorType(x.dtype, shape, y.steps if x.steps is None else x.steps)


def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of an elementwise join, last axes first, axes of length 1 repeated; None where there is none.

    >>> broadcast_shape((8, 8, 16), (16,)), broadcast_shape((4, 1), (3, 2))
    ((8, 8, 16), None)
    """
    rank = max(len(a), len(b))
    pairs = list(zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b))
    fit = all(n == m or 1 in (n, m) for n, m in pairs)
    return tuple(m if n == 1 else n for n, m in pairs) if fit else None


@frozen(kw_only=True)
class _Join(HostLayer):
    """An operation on two values, element by element; axes of length 1, and missing first axes, are repeated."""

    x: str = operand("first value")
    y: str = operand("second value")

    def infer(self, types: Types) -> TensorType:
        """The axes of both."""
        x, y = types.value(self.x), types.value(self.y)
        return _broadcast(self, x, y, broadcast_shape(x.shape, y.shape))


@frozen(kw_only=True)
class Add(_Join):
    """x + y: the end of a residual branch.

    %y = nn.add(%x, %shortcut) : f32[32, 32, 16] from "layer1.0"
    """

    mnemonic = "nn.add"
    layer_name = JOINS["add"].users


@frozen(kw_only=True)
class Sub(_Join):
    """x - y.

    %y = nn.sub(%x, %other) : f32[10] from "difference"
    """

    mnemonic = "nn.sub"
    layer_name = JOINS["sub"].users


@frozen(kw_only=True)
class Mul(_Join):
    """x * y; a gate for each channel is [1, 1, channels].

    %y = nn.mul(%x, %gate) : f32[8, 8, 16] from "squeeze_excite"
    """

    mnemonic = "nn.mul"
    layer_name = JOINS["mul"].users


@frozen(kw_only=True)
class Div(_Join):
    """x / y.

    %y = nn.div(%x, %sum) : f32[10] from "share"
    """

    mnemonic = "nn.div"
    layer_name = JOINS["div"].users


@frozen(kw_only=True)
class Maximum(_Join):
    """The larger of both.

    %y = nn.maximum(%x, %other) : f32[10] from "maxout"
    """

    mnemonic = "nn.maximum"
    layer_name = JOINS["maximum"].users


@frozen(kw_only=True)
class Minimum(_Join):
    """The smaller of both.

    %y = nn.minimum(%x, %other) : f32[10] from "gate"
    """

    mnemonic = "nn.minimum"
    layer_name = JOINS["minimum"].users


@frozen(kw_only=True)
class Concat(HostLayer):
    """Values one behind the other along an axis.

    %y = nn.concat(%a, %b, axis=2) : f32[8, 8, 32] from "inception.concat"
    """

    mnemonic = "nn.concat"
    inputs: tuple[str, ...] = operand_list("what is joined, two values or more")
    axis: int = integer("axis, from 0 or negative from the end", -1)

    @property
    def layer_name(self) -> str:  # type: ignore[override]
        """One value again and again is a repetition."""
        return "concat" if len(set(self.inputs)) != 1 else "repetition"

    def infer(self, types: Types) -> TensorType:
        """The axis is as long as those of all operands together."""
        parts = [types.value(name) for name in self.inputs]
        if not parts or not parts[0].shape:
            raise TypeFault("nn.concat takes values that have an axis", "inputs")
        first, axis = parts[0], self.axis % len(parts[0].shape)
        for name, part in zip(self.inputs, parts):
            alike = len(part.shape) == len(first.shape) and part.steps == first.steps
            if not alike or any(n != m for a, (n, m) in enumerate(zip(part.shape, first.shape)) if a != axis):
                raise TypeFault(
                    f"%{name} is {part}, %{self.inputs[0]} is {first}: only axis {axis} may differ", "inputs"
                )
        return first.with_shape(*first.shape[:axis], sum(p.shape[axis] for p in parts), *first.shape[axis + 1 :])


@frozen(kw_only=True)
class Constant(HostLayer):
    """A stored value, the same one for every sample of x, whose numbers it does not read.

    %y = nn.constant(%x, value=#token) : f32[1, 64] from "class_token"
    """

    mnemonic = "nn.constant"
    layer_name = "stored value"
    border = True
    x: str = operand("says how many samples there are")
    value: str = weight_ref("the numbers", "f32")

    def infer(self, types: Types) -> TensorType:
        """The shape of the stored value."""
        return TensorType("f32", types.weight(self.value).shape, types.value(self.x).steps)


@frozen(kw_only=True)
class MatMul(HostLayer):
    """The matrix product of two computed values over their last two axes: [..., n, k] and [..., k, m].

    %y = nn.matmul(%scores, %values) : f32[2, 5, 4] from "attention"
    """

    mnemonic = "nn.matmul"
    layer_name = "matrix product"
    x: str = operand("[..., n, k]")
    y: str = operand("[..., k, m]")

    def infer(self, types: Types) -> TensorType:
        """[..., n, m]."""
        x, y = types.value(self.x), types.value(self.y)
        if min(len(x.shape), len(y.shape)) < 2 or x.shape[-1] != y.shape[-2]:
            raise TypeFault(f"nn.matmul takes [..., n, k] and [..., k, m], found {x} and {y}", "y")
        ahead = broadcast_shape(x.shape[:-2], y.shape[:-2])
        shape = None if ahead is None else (*ahead, x.shape[-2], y.shape[-1])
        return _broadcast(self, x, y, shape)


# -- functions of one value --------------------------------------------------------------------------


@frozen(kw_only=True)
class Apply(HostLayer):
    """A function of each element, as PyTorch defines them; gelu has erf in it, gelu_tanh the tanh form.

    elu is alpha (exp(x) - 1) below 0, celu alpha (exp(x / alpha) - 1), threshold is 0 up to alpha, power x to the
    power of alpha, at_least the larger of x and alpha, at_most the smaller, hard_sigmoid min(max(alpha x + 1/2, 0), 1);
    the others have no parameter.

    %y = nn.apply(%x, function=silu) : f32[8, 8, 16] from "features.0.2"
    """

    mnemonic = "nn.apply"
    x: str = operand("input")
    function: str = keyword("which one", *FUNCTIONS)
    alpha: float = number(
        "parameter of " + ", ".join(row.name for row in FUNCTIONS.values() if row.alpha is not None), 1.0
    )

    @property
    def layer_name(self) -> str:  # type: ignore[override]
        """What users call the function."""
        return FUNCTIONS[self.function].users

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        return types.value(self.x)


@frozen(kw_only=True)
class Reduce(HostLayer):
    """One number from all cells along some axes, which disappear; l1 and l2 are norms.

    %y = nn.reduce(%x, function=max, axes=[0]) : f32[64] from "max_over_time"
    """

    mnemonic = "nn.reduce"
    x: str = operand("input")
    function: str = keyword("which number", *REDUCTIONS)
    axes: tuple[int, ...] = integers("axes that disappear, from 0", low=0)

    @property
    def layer_name(self) -> str:  # type: ignore[override]
        """What users call the reduction."""
        return REDUCTIONS[self.function].users

    def infer(self, types: Types) -> TensorType:
        """The axes are removed."""
        x = types.value(self.x)
        if any(a >= len(x.shape) for a in self.axes):
            raise TypeFault(f"%{self.x} is {x}, it has no axis {max(self.axes)}", "axes")
        return x.with_shape(*(n for a, n in enumerate(x.shape) if a not in self.axes))


@frozen(kw_only=True)
class LeakyRelu(HostLayer):
    """x above 0, slope * x below; with a weight it is PReLU.

    %y = nn.leaky_relu(%x, slope=0.01) : f32[8, 8, 16] from "act"
    """

    mnemonic = "nn.leaky_relu"
    x: str = operand("input, channels last")
    slope: float | WeightName = number_or_weight("factor below 0, one number or [channels]", 0.01)

    @property
    def layer_name(self) -> str:  # type: ignore[override]
        """PReLU has learned slopes."""
        return "PReLU" if isinstance(self.slope, WeightName) else "LeakyReLU"

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        if isinstance(self.slope, WeightName):
            types.check_vector(self.slope, x.shape[-1] if x.shape else 1, "slope")
        return x


# -- maps that grow or are cut -----------------------------------------------------------------------


@frozen(kw_only=True)
class ConvTranspose(HostLayer):
    """A transposed convolution: cell i adds its kernel, times its value, to the cells from stride * i - pad on.

    %y = nn.conv_transpose(%x, weight=#up.weight, bias=#up.bias, stride=[2, 2]) : f32[16, 16, 8] from "up"
    """

    mnemonic = "nn.conv_transpose"
    layer_name = "transposed convolution"
    x: str = operand("input, [d0, d1, channels]")
    weight: str = weight_ref("[filters, k0, k1, channels / groups]", "f32")
    bias: str | None = weight_ref("[filters]", "f32", optional=True)
    stride: tuple[int, ...] = integers("distance of the kernels on d0 and d1", 2, (1, 1), low=1)
    pad: tuple[int, ...] = integers("cells cut off before d0, before d1, after d0, after d1", 4, (0, 0, 0, 0))
    dilation: tuple[int, ...] = integers("distance of the taps on d0 and d1", 2, (1, 1), low=1)
    groups: int = integer("channel groups", 1, low=1)

    def infer(self, types: Types) -> TensorType:
        """Room for all kernels, less what is cut off; a negative pad adds cells (output padding)."""
        x, w = types.value(self.x), types.weight(self.weight)
        need_rank(x, 3, "nn.conv_transpose")
        need_rank(w, 4, "weight of nn.conv_transpose")
        if w.shape[3] * self.groups != x.shape[2] or w.shape[0] % self.groups:
            raise TypeFault(f"#{self.weight} is {w} in {self.groups} groups, %{self.x} is {x}", "weight")
        types.check_vector(self.bias, w.shape[0], "bias")
        out = [
            (x.shape[a] - 1) * self.stride[a]
            + (w.shape[1 + a] - 1) * self.dilation[a]
            + 1
            - self.pad[a]
            - self.pad[2 + a]
            for a in (0, 1)
        ]
        if min(out) < 1:
            raise TypeFault(f"pad {list(self.pad)} leaves nothing of the result", "pad")
        return x.with_shape(*out, w.shape[0])


@frozen(kw_only=True)
class Resize(HostLayer):
    """A map of another size, from the nearest cell or linearly from the two nearest ones on each axis.

    With r = size before / size after, cell i of the result lies at place r * i (asymmetric), r * (i + 1/2) - 1/2
    (half_pixel) or i * (before - 1) / (after - 1) (align_corners); nearest rounds down (floor), or to the nearest
    with ties down (round_down) or up (round_up).

    %y = nn.resize(%x, size=[16, 16]) : f32[16, 16, 8] from "up"
    """

    mnemonic = "nn.resize"
    layer_name = "upsampling"
    x: str = operand("input, [d0, d1, channels]")
    size: tuple[int, ...] = integers("d0 and d1 of the result", 2, low=1)
    mode: str = keyword("how values are found between cells", "nearest", "linear", default="nearest")
    places: str = keyword("where cells lie", "asymmetric", "half_pixel", "align_corners", default="asymmetric")
    rounding: str = keyword("which cell is the nearest", "floor", "round_down", "round_up", default="floor")

    def infer(self, types: Types) -> TensorType:
        """Both spatial axes change."""
        x = types.value(self.x)
        need_rank(x, 3, "nn.resize")
        return x.with_shape(*self.size, x.shape[2])


@frozen(kw_only=True)
class Slice(HostLayer):
    """A part of a value: from start up to and without stop on each axis, every step-th.

    %y = nn.slice(%x, start=[1, 1, 0], stop=[7, 7, 16]) : f32[6, 6, 16] from "crop"
    """

    mnemonic = "nn.slice"
    layer_name = "slice"
    border = True
    x: str = operand("input")
    start: tuple[int, ...] = integers("first index on each axis", low=0)
    stop: tuple[int, ...] = integers("index behind the last one on each axis", low=0)
    step: tuple[int, ...] = integers("distance of the indices; 1 where absent", None, (), low=1)

    def infer(self, types: Types) -> TensorType:
        """As many indices as there are on each axis."""
        x = types.value(self.x)
        rank = len(x.shape)
        if {len(self.start), len(self.stop), len(self.step or self.start)} != {rank}:
            raise TypeFault(f"%{self.x} is {x}: start, stop and step need {rank} numbers each", "start")
        if any(not 0 <= a < b <= n for a, b, n in zip(self.start, self.stop, x.shape)):
            raise TypeFault(f"%{self.x} is {x}, {list(self.start)} to {list(self.stop)} is no part of it", "stop")
        steps = self.step or (1,) * rank
        return x.with_shape(*(-(-(b - a) // s) for a, b, s in zip(self.start, self.stop, steps)))


BORDERS = {mode: f"{mode} padding" for mode in ("reflect", "edge", "wrap")}
"""Borders made of a value's own cells, by numpy's names for them, and what users call them."""


@frozen(kw_only=True)
class Take(HostLayer):
    """Cells of an axis by number, in any order and any number of times.

    Borders of a value's own cells (made_by says which), rolls and gathers with stored indices are this.

    %y = nn.take(%x, axis=0, index=[2, 0, 1]) : f32[3, 16] from "roll"
    """

    mnemonic = "nn.take"
    border = True
    x: str = operand("input")
    axis: int = integer("the axis, from 0", low=0)
    index: tuple[int, ...] = integers("which cells", None, low=0)
    made_by: str = keyword("what the indices come from", "gather", *BORDERS, default="gather")

    @property
    def layer_name(self) -> str:  # type: ignore[override]
        """What users call it."""
        return BORDERS.get(self.made_by, "gather")

    def infer(self, types: Types) -> TensorType:
        """The axis is as long as there are indices."""
        x = types.value(self.x)
        if self.axis >= len(x.shape) or any(i >= x.shape[self.axis] for i in self.index):
            raise TypeFault(f"%{self.x} is {x}, axis {self.axis} has no cells {list(self.index)}", "index")
        return x.with_shape(*(len(self.index) if a == self.axis else n for a, n in enumerate(x.shape)))
