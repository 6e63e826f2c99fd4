# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs between the user's arrays and device memory: checks, sizes, scales, image descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.targets.akida1.driver.bus import Bus
from akc.targets.akida1.driver.controller import HEADER_BYTES
from akc.targets.akida1.driver.dma import HRC
from akc.targets.akida1.driver.events import DENSE, decode_outputs, dense_output_type
from akc.targets.akida1.driver.plan import ProgramInfo
from akc.targets.faults import BadInput, BadOutput

Array = npt.NDArray[Any]

HEADER_WORD_MASK = (1 << 28) - 1
"""Bits of an output header's first word that count its data words."""


def check_input(info: ProgramInfo, input: Array) -> Array:
    """The input as levels [d0, d1, channels]; see `check_inputs`."""
    levels: Array = check_inputs(info, input[None])[0]
    return levels


def check_inputs(info: ProgramInfo, inputs: Sequence[Array] | Array) -> Array:
    """The inputs as uint8 (or int8) levels [n, d0, d1, channels].

    inputs: [n, d0, d1, channels], [n, values], or a list of such arrays without the first axis.
    Raises BadInput with what the program takes.
    """
    if not len(inputs):
        raise BadInput("there is no input")
    if not isinstance(inputs, np.ndarray):
        arrays = [_shaped(info, np.asarray(x)[None]) for x in inputs]
        inputs = np.concatenate(arrays)
    inputs = _shaped(info, inputs)
    if np.issubdtype(inputs.dtype, np.floating):
        inputs = _quantize_inputs(info, inputs)
    if not np.issubdtype(inputs.dtype, np.integer):
        raise BadInput(f"an input holds whole numbers, found {inputs.dtype}")
    low, high = (-128, 127) if info.input_sign else (0, (1 << info.input_bits) - 1)
    if inputs.min() < low or inputs.max() > high:
        raise BadInput(f"this program's inputs lie in {low}..{high}, found {inputs.min()}..{inputs.max()}")
    return np.ascontiguousarray(inputs).astype(np.int8 if info.input_sign else np.uint8, copy=False)


def _shaped(info: ProgramInfo, inputs: Array) -> Array:
    shape = inputs.shape[1:]
    if shape not in (info.input_dims, (int(np.prod(info.input_dims)),)):
        raise BadInput(f"the program takes inputs of {info.input_dims}, found {shape}")
    return inputs.reshape(-1, *info.input_dims)


def _quantize_inputs(info: ProgramInfo, inputs: Array) -> Array:
    """round(x * scale) + zero point, cut to the program's range; programs of the AKD1000 carry no scales."""
    if not len(info.input_scales):
        raise BadInput("this program takes whole numbers, found floats", "quantise them first: host.quantize does")
    scaled = np.asarray(inputs, np.float32) * np.asarray(info.input_scales, np.float32)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int64)
    low, high = (-128, 127) if info.input_sign else (0, 15 if info.input_bits == 4 else 255)
    return np.clip(rounded + np.asarray(info.input_zero_points, np.int64), low, high)


# -- outputs ---------------------------------------------------------------------------------------


@frozen(eq=False)
class Answer:
    """What the chip wrote for one job: its data, without the header."""

    job: int
    data: bytes


def read_answer(bus: Bus, info: ProgramInfo, job: int, address: int) -> Answer:
    """What the chip wrote for a job, from its output buffer. Raises BadOutput where it cannot fit there."""
    size = 4 * (int.from_bytes(bus.read(address, 4), "little") & HEADER_WORD_MASK)
    room = output_bytes(info) - HEADER_BYTES
    if info.output_type == DENSE:
        size = int(np.prod(info.output_dims)) * dense_output_type(info.output_bits).itemsize
    if size > room:
        raise BadOutput(f"job {job} announces {size // 4} words of output, its buffer holds {room // 4}")
    return Answer(job, bus.read(address + HEADER_BYTES, size) if size else b"")


def decode_answers(info: ProgramInfo, answers: Sequence[Answer]) -> Array:
    """Levels or potentials of several jobs, int32 [n, d0, d1, channels]. Raises BadOutput."""
    if info.output_type == DENSE:
        kind = dense_output_type(info.output_bits)
        maps = [np.frombuffer(answer.data, kind).reshape(info.output_dims) for answer in answers]
        return np.stack(maps).astype(np.int32)
    form = info.output_dims, info.output_type, info.activation
    blocks = [np.frombuffer(answer.data, "<u4").astype(np.uint32) for answer in answers]
    outputs = decode_outputs(blocks, *form)
    if outputs is None:
        bad = next(a.job for a, block in zip(answers, blocks, strict=True) if decode_outputs([block], *form) is None)
        raise BadOutput(f"job {bad} holds events outside of {info.output_dims} or half a pair")
    return outputs


def rescale(info: ProgramInfo, outputs: Array) -> Array:
    """Potentials [..., channels] as float32; levels stay levels."""
    if info.activation or not len(info.output_shift):
        return outputs
    shifted = outputs - np.asarray(info.output_shift, np.int32)
    return shifted.astype(np.float32) * np.asarray(info.output_scales, np.float32)


def _aligned(size: int) -> int:
    return -(-size // 4) * 4


def input_bytes(info: ProgramInfo) -> int:
    """Device memory for one input."""
    values = int(np.prod(info.input_dims))
    return _aligned(values * -(-info.input_bits // 8) if info.input_type == DENSE else values * 8)


def output_bytes(info: ProgramInfo) -> int:
    """Device memory for one output, its header included."""
    values = int(np.prod(info.output_dims))
    return _aligned(HEADER_BYTES + (values * -(-info.output_bits // 8) if info.output_type == DENSE else values * 8))


def image_descriptor(info: ProgramInfo, job: int, output: int, address: int, learn_class: int) -> bytes:
    """The HRC descriptor of an image [d0, d1, channels]; a window is the part that the image layer reads."""
    d0, d1, channels = info.input_dims
    along_d0, along_d1 = info.window
    windowed = bool(along_d0 and along_d1)
    row = (along_d1 if windowed else d1) * channels
    return HRC.pack(
        job=job,
        input=address,
        rows=along_d0 if windowed else d0,
        row_bytes=row & 0xFFFF,
        row_bytes_high=row >> 16,
        stride_bytes=d1 * channels if windowed else 0,
        window_rows=along_d0,
        window_row_bytes=along_d1 * channels,
        output=output,
        learn_class=learn_class,
    )
