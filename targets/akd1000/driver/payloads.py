# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs between the user's arrays and device memory: checks, sizes, scales, image descriptors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from akc.targets.akd1000.driver.controller import HEADER_BYTES
from akc.targets.akd1000.driver.dma import HRC
from akc.targets.akd1000.driver.errors import BadInput
from akc.targets.akd1000.driver.events import DENSE
from akc.targets.akd1000.driver.plan import ProgramInfo

Array = npt.NDArray[Any]


def check_input(info: ProgramInfo, input: Array) -> Array:
    """The input as uint8 levels [d0, d1, channels]; raises BadInput with what the program takes."""
    if (
        input.size != int(np.prod(info.input_dims))
        or (input.ndim not in (1, 3))
        or (input.ndim == 3 and input.shape != info.input_dims)
    ):
        raise BadInput(f"the program takes inputs of {info.input_dims}, found {input.shape}")
    if np.issubdtype(input.dtype, np.floating):
        input = _quantize_input(info, input)
    if not np.issubdtype(input.dtype, np.integer):
        raise BadInput(f"an input holds whole numbers, found {input.dtype}")
    low, high = (-128, 127) if info.input_sign else (0, (1 << info.input_bits) - 1)
    if input.min() < low or input.max() > high:
        raise BadInput(f"this program's inputs lie in {low}..{high}, found {input.min()}..{input.max()}")
    return np.ascontiguousarray(input.reshape(info.input_dims)).astype(np.int8 if info.input_sign else np.uint8)


def _quantize_input(info: ProgramInfo, input: Array) -> Array:
    """round(x * scale) + zero point, cut to the program's range; programs of the AKD1000 carry no scales."""
    if not len(info.input_scales):
        raise BadInput("this program takes whole numbers, found floats", "quantise them first: host.quantize does")
    scaled = np.asarray(input.reshape(info.input_dims), np.float32) * np.asarray(info.input_scales, np.float32)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int64)
    low, high = (-128, 127) if info.input_sign else (0, 15 if info.input_bits == 4 else 255)
    return np.clip(rounded + np.asarray(info.input_zero_points, np.int64), low, high)


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
