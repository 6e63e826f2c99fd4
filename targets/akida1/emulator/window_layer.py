# SPDX-License-Identifier: Apache-2.0
"""Reading a convolution or separable convolution from the CNPs that share it, and checking that the shares fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.ir.ops.akida import Convolutional, SeparableConvolutional
from akc.targets.akida1.emulator.layer import (
    Array,
    DecodedLayer,
    Registers,
    Size,
    check,
    no_other_units,
    one_block,
    read_registers,
    vectors,
)
from akc.targets.akida1.emulator.processors import FILTERS, FIRE_THRESHOLDS, Processor
from akc.targets.akida1.np_memory import cdiv, conv_lines, pointwise_rows
from akc.targets.akida1.program import cnp_memory
from akc.targets.akida1.program.number_forms import flipped
from akc.targets.akida1.program.registers import BITS_OF_CODE, CNP
from akc.targets.faults import BadGeometry

AXES = ("d0", "d1")
BUFFER_WORDS = 10752
"""Words of the input buffer; half of them where there are two."""
FILTER_WORDS = 14336
SEPARABLE_BITS = {1: 2, 2: 4}
WEIGHT_TYPES = {1: "u1", 2: "i2", 4: "i4"}
EQUAL_IN_A_LAYER = (
    "input_bits",
    "act_bits",
    "activation",
    "layer",
    "separable",
    "wide_weights",
    "kernel",
    "stride_2",
    "pool_size",
    "pool_stride",
    "global_pool",
    "single_buffer",
    "np_count",
    "route",
    "next_low",
    "next_high",
    "next_kind",
    "next_layer",
    "source_low",
    "source_high",
    "span_low",
    "span_high",
)
"""Registers that all processors of one layer have alike."""


@frozen(eq=False)
class Share:
    """What one CNP computes: filters [first, first + n) on the input part [start, start + size) of each axis."""

    processor: Processor
    registers: Registers = field(repr=False)
    bits: int
    weights: Array = field(repr=False)
    """Convolution: [filters, k, k, channels]; separable: depthwise [channels, k, k], in the chip's orientation."""
    pointwise: Array | None = field(repr=False)
    thresholds: Array = field(repr=False)
    steps: Array = field(repr=False)

    @property
    def where(self) -> str:
        """The processor, for messages."""
        return f"NP {self.processor.place}"

    @property
    def channels(self) -> int:
        """Input channels."""
        return int(self.weights.shape[3 if self.pointwise is None else 0])

    @property
    def filters(self) -> tuple[int, int]:
        """First filter and the one behind the last."""
        first = self.registers["first_filter"]
        return first, first + self.registers["filters"]

    def part(self, axis: int) -> tuple[int, int]:
        """Start and size of its part of the input, without the halo."""
        r, name = self.registers, AXES[axis]
        return r[f"start_{name}"] - r[f"halo_{name}"], r[f"tile_{name}"]


def read_share(processor: Processor) -> Share:
    """Registers and memories of one CNP. Raises BadGeometry, and AKC0611 of the memory readers."""
    r = read_registers(processor, CNP)
    if not r["pool_size"] or not r["pool_stride"]:
        raise BadGeometry(f"NP {processor.place} has a pooling window or stride of 0")
    no_other_units(processor, (FILTERS, FIRE_THRESHOLDS))
    read = _read_separable if r["separable"] else _read_convolution
    bits, weights, pointwise = read(processor, r)
    thresholds, steps = cnp_memory.decode_thresholds(one_block(processor, FIRE_THRESHOLDS, "thresholds"))
    share = Share(processor, r, bits, weights, pointwise, thresholds, steps)
    check(
        share.where,
        (
            ("the number of thresholds", len(thresholds), r["filters"]),
            ("filter_groups", r["filter_groups"], cdiv(r["filters"], 8)),
        ),
    )
    used = sum(len(block.words) for block in processor.memories[FILTERS])
    if used > FILTER_WORDS:
        raise BadGeometry(f"{share.where} has {FILTER_WORDS} words of filters, {used} are needed")
    return share


def _read_convolution(processor: Processor, r: Registers) -> tuple[int, Array, None]:
    kernel, filters = r["kernel"], r["filters"]
    if kernel not in (1, 3, 5, 7) or not filters:
        raise BadGeometry(f"NP {processor.place} has a {kernel}x{kernel} kernel and {filters} filters")
    binary = bool(r["filters_binary"])
    bits = 4 if r["wide_weights"] else 1 if binary else 2
    counts = "filters_1x1" if kernel == 1 else "filters_binary" if binary else "filters_wide"
    check(
        f"NP {processor.place}",
        (
            *(
                (name, r[name], filters if name == counts else 0)
                for name in ("filters_1x1", "filters_binary", "filters_wide")
            ),
            ("channel_units", r["channel_units"], conv_lines(kernel, bits, filters)),
            ("pointwise_rows", r["pointwise_rows"], 0),
            ("pointwise_start", r["pointwise_start"], 0),
            ("depthwise_bits", r["depthwise_bits"], 0),
            ("pointwise_bits", r["pointwise_bits"], 0),
        ),
    )
    weights = cnp_memory.decode_filters(one_block(processor, FILTERS, "filters"), kernel, bits, filters)
    return bits, weights, None


def _read_separable(processor: Processor, r: Registers) -> tuple[int, Array, Array]:
    kernel, filters, bits = r["kernel"], r["filters"], SEPARABLE_BITS.get(r["depthwise_bits"], 0)
    blocks = {block.address: block.words for block in processor.memories.get(FILTERS, [])}
    start = r["pointwise_start"] // cnp_memory.LINE_ROWS
    if kernel not in (3, 5, 7) or not bits or not filters or set(blocks) != {0, start} or not start:
        raise BadGeometry(f"NP {processor.place} has no separable layer: {kernel}x{kernel}, blocks at {sorted(blocks)}")
    pointwise = cnp_memory.decode_pointwise(blocks[start], bits, filters)
    channels = pointwise.shape[1]
    check(
        f"NP {processor.place}",
        (
            ("pointwise_bits", r["pointwise_bits"], r["depthwise_bits"]),
            ("pointwise_rows", r["pointwise_rows"], pointwise_rows(bits, filters)),
            (
                "pointwise_start",
                r["pointwise_start"],
                cnp_memory.LINE_ROWS * cnp_memory.pointwise_start(kernel, bits, channels),
            ),
            ("channel_units", r["channel_units"], 0),
            ("wide_weights", r["wide_weights"], 0),
            *((name, r[name], 0) for name in ("filters_1x1", "filters_binary", "filters_wide")),
        ),
    )
    return bits, cnp_memory.decode_depthwise(blocks[0], kernel, bits, channels), pointwise


# -- a layer from its shares -----------------------------------------------------------------------


def decode_window(name: str, shares: Sequence[Share]) -> DecodedLayer:
    """The layer that these shares make. Raises BadGeometry where they do not make one."""
    first = shares[0]
    for share in shares:
        check(share.where, ((n, share.registers[n], first.registers[n]) for n in EQUAL_IN_A_LAYER))
        check(
            share.where,
            (("channels", share.channels, first.channels), ("weight bits", share.bits, first.bits)),
        )
    check(first.where, (("np_count", first.registers["np_count"], len(shares)),))
    size = _cover(shares)
    input_bits = _input_bits(shares)
    for share in shares:
        _check_buffers(share, size, max(input_bits))
        for axis in (0, 1):
            _check_axis(share, axis, size[axis])
    return _layer(name, shares, size, input_bits)


def _cover(shares: Sequence[Share]) -> Size:
    """The input's size; every place and filter must belong to exactly one share."""
    size = tuple(max(start + length for start, length in (s.part(axis) for s in shares)) for axis in (0, 1))
    filters = max(s.filters[1] for s in shares)
    owners = np.zeros((size[0], size[1]), np.int64)
    for s in shares:
        (p0, n0), (p1, n1) = s.part(0), s.part(1)
        if min(p0, p1) < 0:
            raise BadGeometry(f"{s.where} starts outside of the map, at ({p0}, {p1})")
        owners[p0 : p0 + n0, p1 : p1 + n1] += s.filters[1] - s.filters[0]
    if (owners != filters).any() or _overlapping(shares):
        raise BadGeometry(
            f"the shares of NPs {[s.processor.place for s in shares]} do not cover a map and its filters once"
        )
    return size[0], size[1]


def _overlapping(shares: Sequence[Share]) -> bool:
    def meet(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a[0] < b[1] and b[0] < a[1]

    def box(s: Share) -> tuple[tuple[int, int], ...]:
        return s.filters, *((start, start + length) for start, length in (s.part(0), s.part(1)))

    boxes = [box(s) for s in shares]
    return any(all(meet(x, y) for x, y in zip(a, b, strict=True)) for i, a in enumerate(boxes) for b in boxes[:i])


def _input_bits(shares: Sequence[Share]) -> tuple[int, ...]:
    """Bits of an input level that go with the code and the line sizes; code 1 is two bits or three."""
    r = shares[0].registers
    code = r["input_bits"]
    choices = (2, 3) if code == 1 else (BITS_OF_CODE.get(code, 0),)
    fitting = tuple(
        bits
        for bits in choices
        if bits and all(s.registers["line_bytes"] == cdiv(s.registers["size_d0"] * bits, 8) for s in shares)
    )
    if not fitting:
        raise BadGeometry(f"{shares[0].where}: lines of {r['line_bytes']} bytes do not go with input code {code}")
    return fitting


def _check_buffers(share: Share, size: Size, bits: int) -> None:
    r = share.registers
    line_words = cdiv(r["line_bytes"] * share.channels, 4)
    check(
        share.where,
        (
            ("line_words", r["line_words"], line_words),
            ("buffer_words", r["buffer_words"], r["size_d1"] * line_words),
            ("padded_tile_d0", r["padded_tile_d0"], 4 * cdiv(r["tile_d0"], 4)),
        ),
    )
    room = BUFFER_WORDS if r["single_buffer"] else BUFFER_WORDS // 2
    inside = [
        min(r[f"start_{name}"] + r[f"size_{name}"], size[axis]) - r[f"start_{name}"] for axis, name in enumerate(AXES)
    ]
    needed = inside[1] * cdiv(cdiv(inside[0] * bits, 8) * share.channels, 4)
    if needed > room:
        raise BadGeometry(f"{share.where} has {room} words for its part of the input, {needed} are needed")


def _check_axis(share: Share, axis: int, size: int) -> None:
    """Halo, outputs and flags of one axis against the share (docs/akd1000/registers.md)."""
    r, name = share.registers, AXES[axis]
    start, length = share.part(axis)
    halo = r["kernel"] // 2
    before, after = halo * (start > 0), halo * (start + length < size)
    first, count = _outputs(r, start, length, size)
    total = cdiv(size, 2) if r["stride_2"] else size
    over = bool(
        start + length == size
        and r["pool_size"] > 1
        and (cdiv(total, r["pool_stride"]) - 1) * r["pool_stride"] + r["pool_size"] > total
    )
    check(
        share.where,
        (
            (f"halo_{name}", r[f"halo_{name}"], -before),
            (f"size_{name}", r[f"size_{name}"], length + before + after),
            (f"output_start_{name}", r[f"output_start_{name}"], first),
            (f"outputs_{name}", r[f"outputs_{name}"], count),
            (
                f"centre_first_{name}",
                r[f"centre_first_{name}"],
                int(r["stride_2"] and (start - (size % 2 == 0)) % 2 == 0),
            ),
            (f"pool_over_{name}", r[f"pool_over_{name}"], int(over)),
        ),
    )


def _outputs(r: Registers, start: int, length: int, size: int) -> tuple[int, int]:
    """First output and number of outputs of a share, after stride and max pooling."""
    if r["stride_2"]:
        odd = size % 2 == 0
        centres_before = (start + 1 - odd) // 2
        count = (start + length + 1 - odd) // 2 - centres_before
        start, length = centres_before, count
    stride = r["pool_stride"]
    return start // stride, cdiv(start + length, stride) - start // stride


def _layer(name: str, shares: Sequence[Share], size: Size, input_bits: tuple[int, ...]) -> DecodedLayer:
    first, r = shares[0], shares[0].registers
    activation, dtype = bool(r["activation"]), WEIGHT_TYPES[first.bits]
    thresholds = _joined(shares, lambda s: s.thresholds)
    steps = _joined(shares, lambda s: s.steps)
    if first.pointwise is None:
        weights = {"weights": (flipped(_joined(shares, lambda s: s.weights)), dtype)}
    else:
        for share in shares:
            if not np.array_equal(share.weights, first.weights):
                raise BadGeometry(f"{share.where} and {first.where} have different depthwise weights")
        pointwise = _joined(shares, lambda s: s.pointwise)
        weights = {"weights": (flipped(first.weights), dtype), "pointwise": (pointwise, dtype)}
    return DecodedLayer(
        name=name,
        kind=Convolutional if first.pointwise is None else SeparableConvolutional,
        places=tuple(s.processor.place for s in shares),
        registers=r,
        size=size,
        channels=first.channels,
        input_bits=input_bits,
        filters=len(thresholds),
        fields={
            "stride": (2, 2) if r["stride_2"] else (1, 1),
            **_pool_fields(r),
            "activation": activation,
            "act_bits": BITS_OF_CODE[r["act_bits"]],
        },
        weights={**weights, **(vectors(thresholds, steps) if activation else {})},
    )


def _pool_fields(r: Registers) -> dict[str, object]:
    if r["global_pool"]:
        return {"pool": "average"}
    if (r["pool_size"], r["pool_stride"]) == (1, 1):
        return {}
    return {"pool": "max", "pool_size": (r["pool_size"],) * 2, "pool_stride": (r["pool_stride"],) * 2}


def _joined(shares: Sequence[Share], numbers: Callable[[Share], Any]) -> Array:
    """Numbers of all filters in order; shares of the same filter must hold the same ones. Raises BadGeometry."""
    sample = numbers(shares[0])
    joined = np.zeros((max(s.filters[1] for s in shares), *sample.shape[1:]), sample.dtype)
    known = np.zeros(len(joined), bool)
    for share in shares:
        rows, own = slice(*share.filters), numbers(share)
        if (joined[rows][known[rows]] != own[known[rows]]).any():
            raise BadGeometry(f"{share.where} and another NP compute the same filters with different numbers")
        joined[rows], known[rows] = own, True
    return joined
