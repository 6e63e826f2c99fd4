# SPDX-License-Identifier: Apache-2.0
"""What the assembler makes of one layer: the blocks of its record, from its op, its places and its route."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops.akida import Layer, Location, SeparableConvolutional
from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.np_memory import DOUBLE_BUFFER_BYTES, cdiv, conv_lines, pointwise_rows, tile_bytes
from akc.targets.akida1.program import cnp_memory, fnp_memory, hrc
from akc.targets.akida1.program.container import ExternalWeights, Place, Words
from akc.targets.akida1.program.number_forms import Integers, dense_to_chip, flipped
from akc.targets.akida1.program.registers import CNP, CODES, DENSE_WEIGHT_CODES, FNP
from akc.targets.akida1.program.tracks import DENSE_WEIGHTS, FILTERS, REGISTERS, THRESHOLDS, Block, Part, whole
from akc.targets.akida1.shares import Interval, Share

Route = Mapping[str, int]
Extras = Mapping[Place, Route]
"""Fields of single NPs besides: what several passes need."""


@frozen(eq=False)
class LayerCode:
    """The blocks of a layer's record; on an FNP2 the weights stand outside of them."""

    blocks: tuple[Block, ...]
    external: ExternalWeights | None = None
    external_parts: tuple[Part, ...] = ()


def place_of(location: object) -> Place:
    """The NP of a location."""
    return Place(location.column, location.row, location.id)  # type: ignore[attr-defined]


def thresholds_of(module: Module, op: Layer) -> Integers:
    """int32 [filters]; 0 where the op names none."""
    return np.zeros(op.type.shape[-1], np.int32) if op.threshold is None else module.array(op.threshold)


def steps_of(module: Module, op: Layer) -> Integers:
    """float32 [filters]; 1 where the op names none."""
    return np.ones(op.type.shape[-1], np.float32) if op.act_step is None else module.array(op.act_step)


def _head(layer: LayerFacts) -> dict[str, int]:
    """Fields that both kinds of NP have."""
    return {
        "input_bits": CODES[layer.input_bits],
        "act_bits": CODES[layer.op.act_bits],
        "activation": int(layer.op.activation),
    }


# -- fully connected -------------------------------------------------------------------------------


def dense_registers(layer: LayerFacts, route: Route) -> dict[str, int]:
    """Values of the FNP block."""
    inner = layer.op.at[0].kind == "fnp3"
    values = {
        "memory_rows": 0x150 if inner else 0x70,
        "weight_bits": DENSE_WEIGHT_CODES[layer.weight_bits],
        "input_d0": layer.size[0],
        "input_d1": layer.size[1],
        "input_area": layer.size[0] * layer.size[1],
        "input_words": cdiv(layer.inputs, 32),
        "units": layer.filters,
        "unit_activation": int(layer.op.activation),
    }
    if inner:
        words = layer.filters * fnp_memory.unit_words(layer.inputs, layer.weight_bits)
        values |= {"weight_words": words, "internal_weights": 1}
    else:
        column, row, number = layer.chip.config_dma
        values |= {"dma_column": column, "dma_row": row, "dma_mask": 1 << number}
    return {**_head(layer), **values, **route}


def dense_memory(module: Module, layer: LayerFacts, learned: fnp_memory.Learned | None = None) -> Words:
    """The words of the weight memory."""
    op = layer.op
    weights = dense_to_chip(module.array(op.weights), (*layer.size, layer.channels))
    on = op.activation
    return fnp_memory.encode(
        fnp_memory.Memory(
            weights=weights,
            bits=layer.weight_bits,
            learned=learned,
            thresholds=thresholds_of(module, op) if on else None,
            steps=steps_of(module, op) if on else None,
        )
    )


def _dense(module: Module, layer: LayerFacts, route: Route, extras: Extras, several: bool) -> LayerCode:
    place = place_of(layer.op.at[0])
    registers = FNP.encode({**dense_registers(layer, route), **extras.get(place, {})})
    blocks = [Block(place, REGISTERS, 0, registers, whole("registers", registers))]
    words = dense_memory(module, layer)
    parts = fnp_memory.parts(layer.filters, layer.inputs, layer.weight_bits)
    if layer.op.at[0].kind == "fnp2":
        return LayerCode(tuple(blocks), ExternalWeights(place, words), parts)
    return LayerCode((*blocks, Block(place, DENSE_WEIGHTS, 0, words, parts)))


# -- convolutions ----------------------------------------------------------------------------------


@frozen
class Axis:
    """One axis of a share of a convolution, in the terms of the registers."""

    tile: int
    start: int
    size: int
    halo: int
    centre_first: bool
    output_start: int
    outputs: int
    pool_over: bool
    pool_before: bool


def axis_of(layer: LayerFacts, axis: int, share: Interval) -> Axis:
    """The registers' view of [start, stop) of an axis. Their halo is not cut at the far end of a map."""
    start, stop = share
    whole_size, stride = layer.size[axis], layer.stride[axis]
    first = start - (layer.halo if start > 0 else 0)
    end = stop + (layer.halo if stop < whole_size else 0)
    parity = 0 if whole_size % 2 else 1
    first_centre, end_centre = (_centres(edge, stride, parity) for edge in share)
    front = layer.pool_before(axis)
    step = layer.pool_stride[axis] if layer.max_pooled else 1
    window = layer.pool_size[axis] if layer.max_pooled else 1
    convolved = cdiv(whole_size, stride)
    over = stop == whole_size and (cdiv(convolved, step) - 1) * step + window - front > convolved
    output_start = (first_centre + front) // step if start else 0
    return Axis(
        tile=stop - start,
        start=first,
        size=end - first,
        halo=first - start,
        centre_first=stride == 2 and start % 2 == parity,
        output_start=output_start,
        outputs=min(cdiv(end_centre + front, step), cdiv(convolved, step)) - output_start,
        pool_over=over,
        pool_before=front > 0 and start == 0,
    )


def _centres(edge: int, stride: int, parity: int) -> int:
    """Window centres in front of a coordinate: all of them, or those of one parity with stride 2."""
    return edge if stride == 1 else (edge + 1 - parity) // 2


def convolution_registers(layer: LayerFacts, share: Share, single_buffer: bool, route: Route) -> dict[str, int]:
    """Values of the CNP block of one share."""
    d0, d1 = axis_of(layer, 0, share.d0), axis_of(layer, 1, share.d1)
    filters = share.filters[1] - share.filters[0]
    line_bytes = cdiv(d0.size * layer.input_bits, 8)
    line_words = cdiv(line_bytes * layer.channels, 4)
    values = {
        "single_buffer": int(single_buffer),
        "np_count": len(layer.op.at),
        "buffer_words": d1.size * line_words,
        "line_bytes": line_bytes,
        "line_words": line_words,
        "padded_tile_d0": 4 * cdiv(d0.tile, 4),
        "kernel": layer.kernel[0],
        "stride_2": int(layer.stride[0] == 2),
        "filters": filters,
        "first_filter": share.filters[0],
        "filter_groups": cdiv(filters, 8),
        "pool_size": layer.pool_size[0] if layer.max_pooled else 1,
        "pool_stride": layer.pool_stride[0] if layer.max_pooled else 1,
        "global_pool": int(layer.pool == "average"),
    }
    for name, axis in (("d0", d0), ("d1", d1)):
        values |= {
            f"tile_{name}": axis.tile,
            f"halo_{name}": axis.halo,
            f"start_{name}": axis.start,
            f"centre_first_{name}": int(axis.centre_first),
            f"size_{name}": axis.size,
            f"output_start_{name}": axis.output_start,
            f"outputs_{name}": axis.outputs,
            f"pool_over_{name}": int(axis.pool_over),
            f"pool_before_{name}": int(axis.pool_before),
        }
    kind = _separable_registers if layer.kind == "separable" else _standard_registers
    return {**_head(layer), **values, **kind(layer, filters), **route}


def _standard_registers(layer: LayerFacts, filters: int) -> dict[str, int]:
    kernel, bits = layer.kernel[0], layer.weight_bits
    where = "filters_1x1" if kernel == 1 else "filters_binary" if bits == 1 else "filters_wide"
    return {"wide_weights": int(bits == 4), "channel_units": conv_lines(kernel, bits, filters), where: filters}


def _separable_registers(layer: LayerFacts, filters: int) -> dict[str, int]:
    bits = layer.weight_bits
    start = cnp_memory.pointwise_start(layer.kernel[0], bits, layer.channels)
    return {
        "separable": 1,
        "depthwise_bits": CODES[bits],
        "pointwise_bits": CODES[bits],
        "pointwise_rows": pointwise_rows(bits, filters),
        "pointwise_start": cnp_memory.LINE_ROWS * start,
    }


def np_registers(layer: LayerFacts, at: Location, route: Route, several: bool) -> Route:
    """Values of the registers of one NP of a layer. several: the program has several passes."""
    if layer.kind == "dense":
        return dense_registers(layer, route)
    return convolution_registers(layer, Share.of(at, layer), several or _single_buffer(layer), route)


def _single_buffer(layer: LayerFacts) -> bool:
    """Whether the largest share of the map leaves no room for a second one.

    A first tile that is shorter by the cells in front of its pool counts with them.
    """
    shares = [Share.of(place, layer) for place in layer.op.at]
    return max(tile_bytes(layer, *_uncut(layer, share)) for share in shares) > DOUBLE_BUFFER_BYTES


def _uncut(layer: LayerFacts, share: Share) -> tuple[Interval, Interval]:
    """A share's part of the map, the first tile of an axis as long as the others."""
    d0, d1 = (
        (start, stop + layer.pool_before(axis) if start == 0 and stop < layer.size[axis] else stop)
        for axis, (start, stop) in enumerate((share.d0, share.d1))
    )
    return d0, d1


def _convolution(module: Module, layer: LayerFacts, route: Route, extras: Extras, several: bool) -> LayerCode:
    shares = [Share.of(place, layer) for place in layer.op.at]
    single = several or _single_buffer(layer)
    thresholds, steps = thresholds_of(module, layer.op), steps_of(module, layer.op)
    blocks: list[Block] = []
    for location, share in zip(layer.op.at, shares, strict=True):
        place, part = place_of(location), slice(*share.filters)
        values = convolution_registers(layer, share, single, route)
        registers = CNP.encode({**values, **extras.get(place, {})})
        fires = cnp_memory.encode_thresholds(thresholds[part], steps[part], layer.op.activation)
        blocks.append(Block(place, REGISTERS, 0, registers, whole("registers", registers)))
        blocks += _filters(module, layer, place, part)
        blocks.append(Block(place, THRESHOLDS, 0, fires, whole("thresholds", fires)))
    return LayerCode(tuple(blocks))


def _filters(module: Module, layer: LayerFacts, place: Place, part: slice) -> list[Block]:
    op, bits = layer.op, layer.weight_bits
    if not isinstance(op, SeparableConvolutional):
        words = cnp_memory.encode_filters(flipped(module.array(op.weights)[part]), bits)
        return [Block(place, FILTERS, 0, words, whole("weights", words))]
    depthwise = cnp_memory.encode_depthwise(flipped(module.array(op.weights)), bits)
    pointwise = cnp_memory.encode_pointwise(module.array(op.pointwise)[part], bits)
    start = cnp_memory.pointwise_start(layer.kernel[0], bits, layer.channels)
    return [
        Block(place, FILTERS, 0, depthwise, whole("depthwise weights", depthwise)),
        Block(place, FILTERS, start, pointwise, whole("pointwise weights", pointwise)),
    ]


# -- image layer -----------------------------------------------------------------------------------


def image_configuration(layer: LayerFacts) -> dict[str, int]:
    """Values of the front end's configuration."""
    valid = layer.padding == "valid"
    before0, after0 = _padding(layer, 0)
    before1, after1 = _padding(layer, 1)
    pool = layer.pool_size if layer.max_pooled else (1, 1)
    value = layer.op.padding_value  # type: ignore[attr-defined]
    return {
        "kernel": hrc.KERNEL_CODES[layer.kernel[0]],
        "act_bits": CODES[layer.op.act_bits],
        "one_channel": int(layer.channels == 1),
        "valid": int(valid),
        "valid_2": 3 if valid else 0,
        "pool_d0": int(pool[0] == 2),
        "pool_d1": int(pool[1] == 2),
        "stride_d0": layer.stride[0],
        "stride_d1": layer.stride[1],
        "padding_value_0": value,
        "padding_value_1": value,
        "padding_value_2": value,
        "before_d0": before0,
        "after_d0": after0,
        "before_d1": before1,
        "after_d1": after1,
        "last_filter": layer.filters - 1,
    }


def _padding(layer: LayerFacts, axis: int) -> tuple[int, int]:
    """Cells in front of the image and behind it."""
    if layer.padding == "valid":
        return 0, 0
    total = max((layer.outputs(axis) - 1) * layer.stride[axis] + layer.kernel[axis] - layer.size[axis], 0)
    return total // 2, total - total // 2


def image_window(layer: LayerFacts) -> tuple[int, int]:
    """Pixels used along d0 and d1: all of them, or with valid padding those that a window reaches."""
    if layer.padding == "same":
        return layer.size
    d0, d1 = ((layer.outputs(a) - 1) * layer.stride[a] + layer.kernel[a] for a in (0, 1))
    return d0, d1


def _image(module: Module, layer: LayerFacts, route: Route, extras: Extras, several: bool) -> LayerCode:
    thresholds = hrc.encode_thresholds(thresholds_of(module, layer.op), steps_of(module, layer.op))
    weights = module.array(layer.op.weights).astype(np.int8)
    return LayerCode(tuple(hrc.layer_blocks(image_configuration(layer), weights, thresholds)))


CODERS: dict[str, Callable[[Module, LayerFacts, Route, Extras, bool], LayerCode]] = {
    "dense": _dense,
    "conv": _convolution,
    "separable": _convolution,
    "image": _image,
}
"""Kind of layer and what codes it."""
