# SPDX-License-Identifier: Apache-2.0
"""Random modules for property tests: valid, of any level, with comments, ranges and odd numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from akc.ir.module import Module, Net, Op, Sequence, Value
from akc.ir.ops.akida import FullyConnected, Location
from akc.ir.ops.host import Decode, Quantize
from akc.ir.ops.nn import Affine, Clip, Dense, Opaque, Relu, Softmax
from akc.ir.types import ELEMENT_TYPES, TensorType
from akc.ir.weights import Weight

NAMES = st.from_regex(r"[A-Za-z_][\w.]{0,8}", fullmatch=True).filter(str.isascii)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
COMMENTS = st.lists(TEXTS.map(str.strip).filter(lambda t: "\u2028" not in t), max_size=2).map(tuple)
ORIGINS = st.lists(TEXTS, max_size=2).map(tuple)
FLOATS = st.floats(-1e6, 1e6, width=32)
RANGES = st.none() | st.tuples(FLOATS, FLOATS).map(lambda pair: (min(pair), max(pair)))


@st.composite
def weights(draw: Any, dtype: str | None = None, shape: tuple[int, ...] | None = None) -> Weight:
    """A weight of any element type, with any legal values."""
    name = dtype or draw(st.sampled_from(list(ELEMENT_TYPES)))
    element = ELEMENT_TYPES[name]
    shape = shape or tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    if element.low is None:
        values = (generator.standard_normal(shape) * 10.0 ** generator.integers(-30, 30)).astype(np.float32)
    else:
        values = generator.integers(element.low, element.high or 0, shape, endpoint=True)
    if draw(st.booleans()):
        values = np.full(shape, values.flat[0])
    return Weight.of(values, name, draw(COMMENTS))


@st.composite
def _ranged(draw: Any, name: str, kind: TensorType) -> Value:
    """A value, perhaps with a range and perhaps with tops of its own for levels of fewer bits."""
    range = draw(RANGES)
    bits = draw(st.sets(st.sampled_from((1, 2, 3, 4)))) if range is not None else ()
    return Value(name, kind, range, tuple((b, draw(st.floats(range[0], 2e6, width=32))) for b in bits))


@st.composite
def float_modules(draw: Any) -> Module:
    """A chain of float operations."""
    size = draw(st.integers(1, 6))
    names = draw(st.lists(NAMES, min_size=8, max_size=8, unique=True))
    pool: dict[str, Weight] = {}
    kind = TensorType("f32", (size,), draw(st.none() | st.integers(1, 9)))
    value = Value(names[0], kind, draw(RANGES))
    ops: list[Op] = []
    for name in names[1 : 1 + draw(st.integers(1, 6))]:
        previous = ops[-1].name if ops else value.name
        common: dict[str, Any] = {
            "result": draw(_ranged(name, kind)),
            "origin": draw(ORIGINS),
            "comments": draw(COMMENTS),
        }
        ops.append(draw(_float_op(previous, name, size, common, pool)))
    net = Net(
        name=draw(NAMES),
        inputs=(value,),
        statements=tuple(ops),
        outputs=(ops[-1].name,),
        output_types=(kind,),
        comments=draw(COMMENTS),
        return_comments=draw(COMMENTS),
        trailing_comments=draw(COMMENTS),
    )
    return Module(
        net=net,
        weights=pool,
        comments=draw(COMMENTS),
        weights_comments=draw(COMMENTS) if pool else (),
        trailing_comments=draw(COMMENTS),
    )


@st.composite
def _float_op(draw: Any, x: str, name: str, size: int, common: dict[str, Any], pool: dict[str, Weight]) -> Op:
    choice = draw(st.integers(0, 5))
    if choice == 0:
        pool[f"{name}.weight"] = draw(weights("f32", (size, size)))
        pool[f"{name}.bias"] = draw(weights("f32", (size,)))
        return Dense(x=x, weight=f"{name}.weight", bias=f"{name}.bias", **common)
    if choice == 1:
        return Affine(x=x, scale=draw(FLOATS), shift=draw(FLOATS), **common)
    if choice == 2:
        return Clip(x=x, high=draw(FLOATS), **common)
    if choice == 3:
        return Opaque(inputs=(x,), op=draw(TEXTS), **common)
    return Softmax(x=x, **common) if choice == 4 else Relu(x=x, **common)


@st.composite
def quantised_modules(draw: Any) -> Module:
    """Dense chip layers in one or several sequences, some of them pinned."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=2, max_size=4))
    pool: dict[str, Weight] = {}
    image = Value("image", TensorType("f32", (sizes[0],)), draw(RANGES))
    bits = draw(st.sampled_from([1, 2, 4]))
    first = Quantize(
        x="image",
        scale=draw(st.floats(1e-3, 10)),
        bits=bits,
        result=Value("x", TensorType(f"u{bits}", (1, 1, sizes[0]))),
    )
    sequences = []
    x = "x"
    for number, (inputs, units) in enumerate(pairwise(sizes)):
        last = number == len(sizes) - 2
        layer = draw(_layer(f"fc{number}", x, inputs, units, last, pool))
        x = layer.name
        sequences.append(
            Sequence(name=f"s{number}", ops=(layer,), comments=draw(COMMENTS), trailing_comments=draw(COMMENTS))
        )
    decode = Decode(
        x=x, threshold=f"fc{len(sizes) - 2}.threshold", result=Value("y", TensorType("f32", (sizes[-1],)), draw(RANGES))
    )
    net = Net(
        name="net",
        inputs=(image,),
        statements=(first, *sequences, decode),
        outputs=("y",),
        output_types=(TensorType("f32", (sizes[-1],)),),
    )
    return Module(net=net, weights=pool)


@st.composite
def _layer(
    draw: Any, name: str, x: str, inputs: int, units: int, last: bool, pool: dict[str, Weight]
) -> FullyConnected:
    act_bits = draw(st.sampled_from([1, 2, 4]))
    pool[f"{name}.weights"] = draw(weights(draw(st.sampled_from(["u1", "i2", "i4"])), (units, inputs)))
    pool[f"{name}.threshold"] = draw(weights("i32", (units,)))
    place = Location("fnp3", draw(st.integers(1, 5)), draw(st.integers(2, 5)), 0)
    kind = TensorType("i32" if last else f"u{act_bits}", (1, 1, units))
    return FullyConnected(
        x=x,
        weights=f"{name}.weights",
        threshold=f"{name}.threshold",
        activation=not last,
        act_bits=act_bits,
        at=(place,) if draw(st.booleans()) else (),
        result=Value(name, kind),
        origin=draw(ORIGINS),
        comments=draw(COMMENTS),
    )
