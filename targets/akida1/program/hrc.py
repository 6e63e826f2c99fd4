# SPDX-License-Identifier: Apache-2.0
"""The image front end: its memories both ways, and the blocks that set it up (docs/akd1000/memories.md)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from akc.base.diagnostics import error
from akc.targets.akida1.program.container import Words
from akc.targets.akida1.program.number_forms import (
    Integers,
    read_steps,
    read_thresholds,
    stored_steps,
    stored_thresholds,
)
from akc.targets.akida1.program.registers import (
    HRC_CHANNELS,
    HRC_CONFIGURATION,
    HRC_MEMORY,
    HRC_MODE,
    HRC_OUTPUT,
    HRC_PULSE,
    HRC_START,
    RegisterBlock,
)
from akc.targets.akida1.program.tracks import FILTERS, REGISTERS, Block, whole

MEMORY_ADDRESS = 0x28
CHUNK, LINE_WORDS = 9, 3
BANKS, BANK_LINES = 3, 192
KERNEL_CODES = {3: 0, 5: 1, 7: 2}
THRESHOLD_BITS, STEP_BITS = 24, 24


def register_block(block: RegisterBlock, **values: int) -> Block:
    """A block of front-end registers."""
    words = block.encode(values)
    return Block(None, REGISTERS, block.address, words, whole("registers", words))


def dense_mode_blocks(channels: int, image: bool, last: bool, output: tuple[int, int, int] | None) -> list[Block]:
    """Record 0 of a program of a chip that takes whole maps.

    channels: of the input; image, last: there is an image layer, and no mesh layer; output: shape of a dense output.
    """
    mode = register_block(
        HRC_MODE, bypass=int(not image), dense_output=int(output is not None), convolve=1, to_dma=int(last)
    )
    blocks = [mode, register_block(HRC_CHANNELS, channels=channels)]
    if output is None:
        return blocks
    d0, d1, cell = output
    strides = {"cell": cell, "row": cell * d1} if d0 * d1 > 1 else {}
    return [*blocks, register_block(HRC_OUTPUT, **strides)]


def mode_blocks(channels: int | None, last: bool) -> list[Block]:
    """Record 0 of a program of the others. channels: of the image, None without; last: no mesh layer follows."""
    if channels is None:
        return [register_block(HRC_MODE, bypass=1)]
    return [register_block(HRC_MODE, convolve=1, to_dma=int(last)), register_block(HRC_CHANNELS, channels=channels)]


def layer_blocks(configuration: dict[str, int], weights: Integers, thresholds: Words) -> list[Block]:
    """The blocks of the image layer: configuration, weight banks, thresholds, start.

    configuration: values of HRC_CONFIGURATION; weights int8 [filters, k0, k1, channels].
    """
    blocks = [register_block(HRC_CONFIGURATION, **configuration, loading=1)]
    for number, words in enumerate(encode_banks(weights)):
        if len(words):
            blocks += _memory("weights", words, bank=1 << number)
    blocks += _memory("thresholds", thresholds, thresholds=1)
    start = {row.name: configuration.get(row.name, 0) for row in HRC_START.fields}
    blocks.append(register_block(HRC_START, **start))
    return [*blocks, register_block(HRC_PULSE, pulse=1), register_block(HRC_PULSE, pulse=0)]


def _memory(what: str, words: Words, **select: int) -> list[Block]:
    return [
        register_block(HRC_MEMORY, **select),
        Block(None, FILTERS, MEMORY_ADDRESS, words, whole(what, words)),
    ]


# -- memories --------------------------------------------------------------------------------------


def _bank_views(lines: Words, kernel: int, channels: int) -> Iterator[Words]:
    """What each of the three banks holds of lines [filters, channels, chunks, words], as views in bank order."""
    for bank in range(BANKS):
        if channels == 3:
            yield lines[:, bank]
        elif kernel == 3:
            yield lines[bank * BANK_LINES : (bank + 1) * BANK_LINES, 0]
        else:
            yield lines[:, 0, bank::BANKS]


def _chunks(kernel: int) -> int:
    return -(-kernel * kernel // CHUNK)


def encode_banks(weights: Integers) -> list[Words]:
    """Words of the three weight banks from int8 [filters, k0, k1, channels]; empty banks have none."""
    filters, kernel, _, channels = weights.shape
    planes = weights.transpose(0, 3, 1, 2).reshape(filters, channels, -1)
    rows = np.zeros((filters, channels, _chunks(kernel) * CHUNK), np.int8)
    rows[..., : planes.shape[2]] = planes
    lines = np.zeros((filters, channels, _chunks(kernel), LINE_WORDS * 4), np.int8)
    lines[..., :CHUNK] = rows.reshape(filters, channels, -1, CHUNK)
    words = lines.view("<u4")
    return [np.ascontiguousarray(view).reshape(-1) for view in _bank_views(words, kernel, channels)]


def decode_banks(banks: dict[int, Words], kernel: int, channels: int, filters: int) -> Integers:
    """int8 weights [filters, k0, k1, channels] from the banks by number; raises DiagnosticError AKC0611."""
    words = np.zeros((filters, channels, _chunks(kernel), LINE_WORDS), "<u4")
    for number, view in enumerate(_bank_views(words, kernel, channels)):
        given = banks.get(number, np.zeros(0, np.uint32))
        if len(given) != view.size:
            raise error("AKC0611", f"bank {number} of the image layer has {len(given)} words, {view.size} are needed")
        view[...] = given.reshape(view.shape)
    planes = words.view(np.int8)[..., :CHUNK].reshape(filters, channels, -1)[..., : kernel * kernel]
    return planes.reshape(filters, channels, kernel, kernel).transpose(0, 2, 3, 1)


def encode_thresholds(thresholds: Integers, steps: Integers) -> Words:
    """Two words a filter: threshold in 24 bits, floor(16 step)."""
    pairs = np.stack([stored_thresholds(thresholds, THRESHOLD_BITS), stored_steps(steps, STEP_BITS)], axis=1)
    return pairs.astype(np.uint32).reshape(-1)


def decode_thresholds(words: Words) -> tuple[Integers, Integers]:
    """(thresholds int32, steps float32)."""
    if len(words) % 2:
        raise error("AKC0611", f"a threshold memory of {len(words)} words ends within a filter")
    pairs = words.reshape(-1, 2)
    return read_thresholds(pairs[:, 0], THRESHOLD_BITS), read_steps(pairs[:, 1], STEP_BITS)
