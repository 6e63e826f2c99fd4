# SPDX-License-Identifier: Apache-2.0
"""The layers of Akida 1.0, with the chip's integer arithmetic (docs/akd1000/arithmetic.md).

Values are [d0, d1, channels]. Weights are cross-correlation kernels; the fully connected layer reads
its inputs in the order of the value's text shape. With `activation` on, a layer gives levels of
`act_bits`; off (last layer of a sequence only), it gives i32 potentials, and `threshold` and
`act_step` are what host.decode undoes.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from attrs import frozen

from akc.ir.fields import (
    Call,
    FieldError,
    Range,
    flag,
    integer,
    integers,
    keyword,
    operand,
    structure,
    structures,
    weight_ref,
)
from akc.ir.module import Op, Sequence
from akc.ir.signature import TypeFault, Types, need_dtype, need_rank
from akc.ir.types import TensorType

NP_KINDS = ("hrc", "cnp1", "fnp2", "fnp3", "host")
PLACELESS = ("hrc", "host")
"""Kinds that stand beside the mesh: `hrc()` is the image front end, `host()` the host's software."""


@frozen
class Location:
    """A share of a layer on one neural processor: `cnp1(3, 1, 2, filters=0:8, d0=0:16, d1=0:32)`.

    kind: hrc, cnp1, fnp2, fnp3, or host; column, row, id: where it is in the mesh (0, 0, 0 off the mesh);
    filters, d0, d1: which filters (or units) and which part of the input map it computes; None is all.
    """

    kind: str
    column: int = 0
    row: int = 0
    id: int = 0
    filters: Range | None = None
    d0: Range | None = None
    d1: Range | None = None

    def __str__(self) -> str:
        place = [] if self.kind in PLACELESS else [self.column, self.row, self.id]
        parts = [(k, getattr(self, k)) for k in ("filters", "d0", "d1")]
        return str(Call(self.kind, tuple(place), tuple((k, v) for k, v in parts if v is not None)))


def read_location(raw: Any) -> Location:
    """A Location from its text form; raises FieldError."""
    if not isinstance(raw, Call) or raw.name not in NP_KINDS:
        raise FieldError(f"takes places such as fnp3(1, 3, 0, filters=0:10); the kinds are {', '.join(NP_KINDS)}")
    wanted = 0 if raw.name in PLACELESS else 3
    if len(raw.args) != wanted or not all(type(a) is int and a >= 0 for a in raw.args):
        raise FieldError(f"{raw.name} takes {'column, row, id' if wanted else 'no numbers'}")
    shares = dict(raw.kwargs)
    if not set(shares) <= {"filters", "d0", "d1"} or not all(isinstance(v, Range) for v in shares.values()):
        raise FieldError(f"{raw.name} takes filters=, d0= and d1= as ranges such as 0:8")
    return Location(raw.name, *raw.args, **shares)


@frozen
class Learning:
    """Edge-learning parameters of a last fully connected layer (docs/akd1000/learning.md)."""

    num_weights: int
    num_classes: int = 1
    initial_plasticity: float = 1.0
    learning_competition: float = 0.0
    min_plasticity: float = 0.10000000149011612
    plasticity_decay: float = 0.25

    def __str__(self) -> str:
        names = self.__attrs_attrs__  # type: ignore[attr-defined]
        given = tuple((a.name, getattr(self, a.name)) for a in names if getattr(self, a.name) != a.default)
        return str(Call("akida_unsupervised", (), given))


def read_learning(raw: Any) -> Learning:
    """Learning parameters from `akida_unsupervised(num_weights=10, ...)`; raises FieldError."""
    names = {a.name for a in Learning.__attrs_attrs__}  # type: ignore[attr-defined]
    if not isinstance(raw, Call) or raw.name != "akida_unsupervised" or raw.args or not set(dict(raw.kwargs)) <= names:
        raise FieldError(f"takes akida_unsupervised(...) with {', '.join(sorted(names))}")
    given = dict(raw.kwargs)
    for key, value in given.items():
        whole = key in ("num_weights", "num_classes")
        if (type(value) is not int or value < 1) if whole else not (isinstance(value, int | float) and 0 <= value <= 1):
            raise FieldError(f"{key} takes {'a whole number from 1' if whole else 'a number from 0 to 1'}")
    if "num_weights" not in given:
        raise FieldError("akida_unsupervised needs num_weights")
    numbers: dict[str, Any] = {k: v if k.startswith("num") else float(v) for k, v in given.items()}
    return Learning(**numbers)


LEVELS = ("u1", "u2", "u3", "u4")
WEIGHT_TYPES = ("u1", "i2", "i4", "i8")


@frozen(kw_only=True)
class Layer(Op):
    """What all four layers share; subclasses add weights and geometry."""

    x: str = operand("input levels, [d0, d1, channels]")
    weights: str = weight_ref("the kernel", *WEIGHT_TYPES)
    threshold: str | None = weight_ref("[filters], subtracted from the potential; 0 where absent", "i32", optional=True)
    act_step: str | None = weight_ref("[filters], >= 1/16, kept in sixteenths; 1 where absent", "f32", optional=True)
    activation: bool = flag("whether levels come out (else potentials)", True)
    act_bits: int = integer("bits of a level", 1, low=1, high=4)
    at: tuple[Location, ...] = structures("pins: the NPs that compute it", "places", read_location)

    def output(self, shape: tuple[int, ...], x: TensorType, types: Types) -> TensorType:
        """Check the vectors and give the result type: levels of act_bits, or i32."""
        types.check_vector(self.threshold, shape[-1], "threshold")
        types.check_vector(self.act_step, shape[-1], "act_step")
        if self.act_bits == 3:
            raise TypeFault("a level has 1, 2 or 4 bits, found 3", "act_bits", code="AKC0107")
        return TensorType(f"u{self.act_bits}" if self.activation else "i32", shape, x.steps)


@frozen(kw_only=True)
class _Spatial(Layer):
    """Stride, padding and pooling."""

    stride: tuple[int, ...] = integers("steps on d0 and d1", 2, (1, 1), low=1)
    padding: str = keyword(
        "same: ceil(n / stride) outputs, odd cell after; valid: none", "same", "valid", default="same"
    )
    pool: str = keyword(
        "on potentials, before the activation; average is a global sum", "none", "max", "average", default="none"
    )
    pool_size: tuple[int, ...] = integers("max pooling window", 2, (1, 1), low=1)
    pool_stride: tuple[int, ...] = integers("max pooling steps", 2, (1, 1), low=1)

    def spatial(self, x: TensorType, kernel: tuple[int, int], filters: int) -> tuple[int, int, int]:
        """Output shape after stride and pooling."""
        if not all(k % 2 for k in kernel):
            raise TypeFault(f"kernels are odd on both axes, found {kernel[0]}x{kernel[1]}", "weights")
        rows = [self._outputs(x.shape[a], kernel[a], self.stride[a]) for a in (0, 1)]
        if self.pool == "max":
            rows = [self._outputs(rows[a], self.pool_size[a], self.pool_stride[a]) for a in (0, 1)]
        if min(rows) < 1:
            raise TypeFault(f"nothing is left of {x} after a {kernel[0]}x{kernel[1]} window", "weights")
        return (1, 1, filters) if self.pool == "average" else (rows[0], rows[1], filters)

    def _outputs(self, size: int, window: int, stride: int) -> int:
        return ceil(size / stride) if self.padding == "same" else (size - window) // stride + 1


@frozen(kw_only=True)
class InputConvolutional(_Spatial):
    """The image front end (HRC): 8-bit pixels in, levels out.

    %s = akida.input_convolutional(%x, weights=#c.weights, threshold=#c.threshold,
      act_step=#c.act_step, act_bits=4) : u4[28, 28, 8] from "c"
    """

    mnemonic = "akida.input_convolutional"
    padding_value: int = integer("what lies outside the image", 0, low=0, high=255)
    weights_bits: int | None = integer("bits that the vendor's file names; 8 bits are stored", None, low=1)

    def infer(self, types: Types) -> TensorType:
        """Levels or potentials of the image layer; weights [filters, k0, k1, channels]."""
        x, w = types.value(self.x), types.weight(self.weights)
        need_dtype(x, self.mnemonic, "u8")
        shape = _convolved(self, x, w)
        return self.output(shape, x, types)


@frozen(kw_only=True)
class Convolutional(_Spatial):
    """A convolution on the mesh; the vendor stores the kernel flipped, the text does not.

    %s = akida.convolutional(%x, weights=#c.weights, threshold=#c.threshold,
      act_step=#c.act_step, act_bits=4) : u4[28, 28, 8] from "c"
    """

    mnemonic = "akida.convolutional"

    def infer(self, types: Types) -> TensorType:
        """Levels or potentials; weights [filters, k0, k1, channels]."""
        x, w = types.value(self.x), types.weight(self.weights)
        need_dtype(x, self.mnemonic, *LEVELS)
        return self.output(_convolved(self, x, w), x, types)


def on_host(sequence: Sequence) -> bool:
    """Whether the layers of a sequence are pinned to the host: `at=[host()]`."""
    return any(place.kind == "host" for op in sequence.ops if isinstance(op, Layer) for place in op.at)


def _convolved(op: _Spatial, x: TensorType, w: TensorType) -> tuple[int, int, int]:
    need_rank(x, 3, op.mnemonic)
    need_rank(w, 4, f"weights of {op.mnemonic}")
    if w.shape[3] != x.shape[2]:
        raise TypeFault(f"#{op.weights} takes {w.shape[3]} channels, %{op.x} is {x}", "weights")
    return op.spatial(x, (w.shape[1], w.shape[2]), w.shape[0])


@frozen(kw_only=True)
class SeparableConvolutional(_Spatial):
    """A depthwise convolution and a pointwise one with nothing in between.

    %s = akida.separable_convolutional(%x, weights=#d.weights, pointwise=#p.weights,
      threshold=#p.threshold, act_step=#p.act_step, act_bits=4) : u4[28, 28, 8] from "d", "p"
    """

    mnemonic = "akida.separable_convolutional"
    pointwise: str = weight_ref("[filters, channels]", *WEIGHT_TYPES)

    def infer(self, types: Types) -> TensorType:
        """Levels or potentials; weights [channels, k0, k1]."""
        x, w, p = types.value(self.x), types.weight(self.weights), types.weight(self.pointwise)
        need_dtype(x, self.mnemonic, *LEVELS)
        need_rank(x, 3, self.mnemonic)
        need_rank(w, 3, "depthwise weights")
        need_rank(p, 2, "pointwise weights")
        if w.shape[0] != x.shape[2] or p.shape[1] != x.shape[2]:
            raise TypeFault(f"weights {w} and {p} do not fit %{self.x}, which is {x}", "weights")
        if w.dtype != p.dtype:
            raise TypeFault(f"both parts have the same bits, found {w.dtype} and {p.dtype}", "pointwise")
        return self.output(self.spatial(x, (w.shape[1], w.shape[2]), p.shape[0]), x, types)


@frozen(kw_only=True)
class FullyConnected(Layer):
    """A fully connected layer; the potential is cut to 20 bits after the full sum.

    %s = akida.fully_connected(%x, weights=#fc.weights, threshold=#fc.threshold,
      act_step=#fc.act_step, act_bits=4) : u4[1, 1, 256] from "fc"
    """

    mnemonic = "akida.fully_connected"
    learning: Learning | None = structure("edge learning", "akida_unsupervised(...)", read_learning)
    threshold_learning: str | None = weight_ref("[units], with learning", "i32", optional=True)
    thswap: str | None = weight_ref("[units], with learning", "i32", optional=True)

    def infer(self, types: Types) -> TensorType:
        """[1, 1, units]; weights [units, inputs]."""
        x, w = types.value(self.x), types.weight(self.weights)
        need_dtype(x, self.mnemonic, *LEVELS)
        need_rank(w, 2, "weights of akida.fully_connected")
        if w.shape[1] != x.size:
            raise TypeFault(f"#{self.weights} takes {w.shape[1]} inputs, %{self.x} is {x} with {x.size}", "weights")
        types.check_vector(self.threshold_learning, w.shape[0], "threshold_learning")
        types.check_vector(self.thswap, w.shape[0], "thswap")
        return self.output((1, 1, w.shape[0]), x, types)
