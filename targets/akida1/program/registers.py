# SPDX-License-Identifier: Apache-2.0
"""Every register that a program writes, as rows: assembler, disassembler, emulator and docs read the same ones.

A `RegisterBlock` is a run of words at an address. `encode` turns named values into words, `decode`
turns words into named values, `unnamed` tells which bits no row explains. A row is "verified" where
its cause was varied and the SDK's words (2.19.3) followed, "constant" where the value is always the
same; the meaning of a constant is not known (docs/akd1000/registers.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import error
from akc.targets.akida1.program.container import Words


@frozen
class Field:
    """Bits [low, low + width) of a word of a block; `value` is what it holds where nothing else is said."""

    word: int
    low: int
    width: int
    name: str
    meaning: str
    value: int = 0
    status: str = "verified"
    signed: bool = False
    later: bool = False
    """Only chips with dense outputs, larger pools or several passes use it; listings leave it out where it is 0."""

    @property
    def mask(self) -> int:
        """The field's bits within its word."""
        return ((1 << self.width) - 1) << self.low

    @property
    def bits(self) -> str:
        """`7:4`, or `15` for a single bit."""
        high = self.low + self.width - 1
        return f"{high}:{self.low}" if self.width > 1 else str(self.low)

    def put(self, value: int) -> int:
        """The value in its place; raises DiagnosticError AKC0612 if it does not fit."""
        low = -(1 << self.width - 1) if self.signed else 0
        if not low <= value < low + (1 << self.width):
            raise error("AKC0612", f"{self.name} is {value}, its field has {self.width} bits")
        return (value << self.low) & self.mask

    def get(self, word: int) -> int:
        """The value in a word."""
        value = (word & self.mask) >> self.low
        return value - (1 << self.width) if self.signed and value >> (self.width - 1) else value


@frozen
class RegisterBlock:
    """A run of registers: name, address of its first word, number of words, rows."""

    name: str
    address: int
    length: int
    title: str
    fields: tuple[Field, ...] = field(repr=False)
    stride: int = 1
    """How far apart the addresses of two words are: 4 where addresses count bytes."""

    def where(self, row: Field) -> str:
        """The address of a row's word: decimal in the blocks of an NP, which start at 0, else hexadecimal."""
        address = self.address + self.stride * row.word
        return f"{address:#04x}" if self.name not in ("fnp", "cnp") else str(address)

    @property
    def by_name(self) -> dict[str, Field]:
        """The rows by name."""
        return {row.name: row for row in self.fields}

    def encode(self, values: Mapping[str, int]) -> Words:
        """uint32 words [length]; rows not named keep their `value`. Raises KeyError for an unknown name, AKC0612."""
        unknown = set(values) - {row.name for row in self.fields}
        if unknown:
            raise KeyError(f"{self.name} has no register field {', '.join(sorted(unknown))}")
        words = [0] * self.length
        for row in self.fields:
            words[row.word] |= row.put(int(values.get(row.name, row.value)))
        return np.array(words, np.uint32)

    def decode(self, words: Sequence[int] | Words) -> dict[str, int]:
        """The value of every row."""
        return {row.name: row.get(int(words[row.word])) for row in self.fields}

    def unnamed(self, words: Sequence[int] | Words) -> dict[int, int]:
        """Bits that no row covers and that are set nevertheless, by word."""
        left = [int(word) for word in words]
        for row in self.fields:
            left[row.word] &= ~row.mask
        return {number: bits for number, bits in enumerate(left) if bits}


CODES = {1: 0, 2: 1, 3: 1, 4: 2}
"""Register code of a number of bits; three-bit inputs carry the code of two bits."""
BITS_OF_CODE = {0: 1, 1: 2, 2: 4}
DENSE_WEIGHT_CODES = {1: 0x0, 2: 0x8, 4: 0xA}
LAST_ROUTE, INNER_ROUTE, LOOP_ROUTE = 0x06080001, 0xFF080000, 0xFF080004
"""Word 44 of the last layer, of every other FNP or CNP, and of the last layer of a pass that is not the last."""
LOOP_KINDS = {"cnp": 5, "fnp": 7}
"""Word 32, bits 3:0: what computes the first layer of the next pass."""
SEVERAL_PASSES = 0x012C0010
"""Word 3 of the event gateway with several passes."""
NO_LAYER = 0xFF
TO_DMA = 0x10


def _constant(word: int, low: int, width: int, name: str, value: int) -> Field:
    return Field(word, low, width, name, "not known", value, "constant")


def _later(word: int, low: int, width: int, name: str, meaning: str) -> Field:
    return Field(word, low, width, name, meaning, later=True)


_LOOP = (
    _later(2, 7, 1, "later_pass", "first layer of a later pass; perhaps: read the second input buffer"),
    _later(32, 0, 4, "loop_kind", "where the next pass's input goes: 5 to a CNP, 7 to an FNP"),
    _later(32, 4, 4, "loop_bits", "bits of its levels, same code as input_bits"),
    _later(32, 24, 8, "loop_layer", "its layer number: layers of this pass + 1"),
    _later(33, 0, 32, "loop_start", "CNP: word 9 of the next pass's registers without bits 12 and 28"),
    _later(34, 0, 32, "loop_size", "word 10 of the next pass's registers"),
    _later(35, 0, 32, "loop_lines", "CNP: word 28 of the next pass's registers; FNP: d0 times d1"),
)
_COMMON_HEAD = (
    Field(3, 0, 2, "input_bits", "bits of an input level: 0 is 1, 1 is 2 (and 3), 2 is 4"),
    Field(3, 12, 2, "act_bits", "bits of an output level, same code; written also with the activation off"),
    Field(3, 15, 1, "activation", "levels come out, else potentials"),
    Field(3, 24, 8, "layer", "number of the layer, 1 for the first one on the mesh"),
    _constant(6, 0, 32, "constant_6", 0x04040000),
    _constant(12, 0, 32, "constant_12", 0x52000000),
    _constant(13, 0, 32, "constant_13", 0x10),
)
_ROUTING = (
    Field(44, 0, 32, "route", "0x06080001 on the last layer, 0xff080000 on others; meaning not known", INNER_ROUTE),
    Field(45, 0, 8, "next_low", "lowest column of the next layer's NPs; last layer: row of the event DMA"),
    Field(45, 8, 8, "next_high", "highest column of the next layer's NPs; last layer: column of the event DMA"),
    Field(45, 16, 8, "next_kind", "0x10: results go to the event DMA"),
    Field(45, 24, 8, "next_layer", "number of the next layer, 0xff for none"),
    Field(46, 0, 8, "source_low", "lowest column of the source: NPs of the layer before, 3 event DMA, 1 image layer"),
    Field(46, 8, 8, "source_high", "highest column of the source"),
    Field(47, 0, 8, "span_low", "lowest column over this layer's NPs and the destination"),
    Field(47, 8, 8, "span_high", "highest column over this layer's NPs and the destination"),
)

FNP = RegisterBlock(
    "fnp",
    0,
    50,
    "An NP that computes a fully connected layer (FNP2, FNP3)",
    (
        _constant(1, 0, 16, "constant_1", 0x70),
        Field(1, 16, 16, "memory_rows", "0x150 on an FNP3, 0x70 on an FNP2; perhaps the memory in rows of 32 words"),
        *_COMMON_HEAD,
        Field(3, 4, 4, "weight_bits", "bits of a weight: 0 is 1, 8 is 2, 10 is 4"),
        Field(3, 16, 8, "np_count", "NPs that share the layer, always 1", 1, "constant"),
        Field(10, 0, 16, "input_d1", "input size along d1; 1 behind a dense layer or a global pool"),
        Field(10, 16, 16, "input_d0", "input size along d0"),
        Field(11, 12, 20, "input_area", "d0 times d1"),
        Field(14, 0, 31, "input_words", "inputs in words of 32 bits, rounded up"),
        _constant(14, 31, 1, "constant_14", 1),
        _later(4, 0, 32, "loop_words", "words of the input buffer that both passes share"),
        Field(15, 0, 17, "units", "units of the layer"),
        Field(16, 29, 1, "unit_activation", "the activation once more"),
        Field(17, 0, 16, "weight_words", "FNP3: words of its weight memory; 0 on an FNP2"),
        Field(17, 20, 1, "internal_weights", "1 on an FNP3, 0 on an FNP2"),
        Field(36, 0, 28, "learning_cap", "learning on: round_half_up(num_weights x (1 - learning_competition))"),
        Field(36, 28, 4, "learning_on", "1 in the registers for learning"),
        Field(37, 0, 24, "learning_low", "learning on: ceil(num_weights x min_plasticity)"),
        _constant(37, 24, 8, "constant_37", 0xFF),
        Field(38, 0, 32, "learning_decay", "learning on: ceil(initial swaps x plasticity_decay)"),
        *_LOOP,
        *_ROUTING,
        Field(49, 0, 8, "dma_row", "FNP2: row of the configuration DMA"),
        Field(49, 8, 8, "dma_column", "FNP2: column of the configuration DMA"),
        Field(49, 16, 16, "dma_mask", "FNP2: one bit, the id of the configuration DMA"),
    ),
)

CNP = RegisterBlock(
    "cnp",
    0,
    50,
    "An NP that computes a convolution or a separable one",
    (
        _constant(1, 0, 16, "constant_1", 0x60),
        Field(1, 22, 1, "single_buffer", "one input buffer in place of two; the same for all NPs of a layer"),
        *_COMMON_HEAD,
        Field(3, 2, 1, "separable", "a separable convolution"),
        Field(3, 3, 1, "wide_weights", "a standard convolution with weights of 4 bits"),
        Field(3, 4, 2, "depthwise_bits", "separable: 1 for weights of 2 bits, 2 for 4 bits"),
        Field(3, 8, 2, "pointwise_bits", "separable: the same code"),
        Field(3, 16, 8, "np_count", "NPs that share the layer"),
        Field(
            4, 0, 31, "buffer_words", "words of the input buffer: tile size along d1, halo included, times line_words"
        ),
        _constant(4, 31, 1, "constant_4", 1),
        _later(14, 0, 32, "loop_words", "words of the input buffer that both passes share"),
        Field(8, 0, 12, "tile_d1", "outputs' share of the input along d1, without halo"),
        Field(8, 12, 4, "halo_d1", "where the tile with its halo starts, from the start of the share", signed=True),
        Field(8, 16, 12, "tile_d0", "the same along d0"),
        Field(8, 28, 4, "halo_d0", "the same along d0", signed=True),
        Field(9, 0, 12, "start_d1", "first input coordinate of the tile with its halo, along d1"),
        Field(9, 12, 1, "centre_first_d1", "stride 2, and the first window's centre is the first column of the share"),
        Field(9, 16, 12, "start_d0", "the same along d0"),
        Field(9, 28, 1, "centre_first_d0", "the same along d0"),
        Field(10, 0, 16, "size_d1", "size of the tile with its halo along d1"),
        Field(10, 16, 16, "size_d0", "the same along d0"),
        Field(11, 0, 14, "padded_tile_d0", "tile_d0 rounded up to a multiple of 4"),
        Field(11, 14, 18, "channel_units", "filter memory per input channel in units of 8 rows; 0 if separable"),
        Field(20, 0, 8, "pointwise_rows", "separable: rows of the pointwise weights per channel"),
        Field(20, 8, 1, "stride_2", "convolution stride 2"),
        Field(20, 16, 12, "filters_1x1", "filters of this NP, if the kernel is 1x1"),
        Field(20, 28, 4, "kernel", "kernel size"),
        Field(21, 0, 16, "filters_wide", "filters of this NP, kernels above 1x1 with weights of 2 or 4 bits"),
        Field(21, 16, 16, "filters_binary", "filters of this NP, kernels above 1x1 with weights of 1 bit"),
        Field(22, 16, 16, "pointwise_start", "separable: first row of the pointwise weights"),
        Field(24, 0, 16, "output_start_d1", "first output along d1, after stride and max pooling"),
        Field(24, 16, 16, "output_start_d0", "the same along d0"),
        Field(25, 0, 16, "outputs_d1", "outputs along d1, after stride and max pooling, before a global pool"),
        Field(25, 16, 16, "outputs_d0", "the same along d0"),
        Field(26, 0, 16, "first_filter", "first filter of this NP"),
        Field(26, 16, 16, "filters", "filters of this NP"),
        Field(27, 0, 4, "pool_size", "max pooling window, else 1"),
        Field(27, 4, 4, "pool_stride", "max pooling stride, else 1"),
        Field(27, 8, 1, "global_pool", "global average pooling (a sum)"),
        Field(27, 12, 1, "pool_over_d0", "the last pooling window sticks out of the map along d0"),
        Field(27, 14, 1, "pool_over_d1", "the same along d1"),
        _later(27, 13, 1, "pool_before_d0", "the first pooling window starts in front of the map along d0"),
        _later(27, 15, 1, "pool_before_d1", "the same along d1"),
        Field(28, 0, 16, "line_words", "words of one line of the tile: all channels"),
        Field(28, 16, 16, "line_bytes", "bytes of one line and channel"),
        Field(29, 16, 16, "filter_groups", "filters of this NP in groups of 8, rounded up"),
        _constant(37, 24, 8, "constant_37", 0xFF),
        *_LOOP,
        *_ROUTING,
    ),
)

HRC_MODE = RegisterBlock(
    "hrc.mode",
    0x04,
    1,
    "Mode of the image front end, in the first record of every program",
    (
        Field(0, 0, 1, "bypass", "1 if no image layer is there"),
        _later(0, 3, 1, "dense_output", "outputs are whole maps"),
        Field(0, 4, 1, "convolve", "1 if the image layer is there"),
        Field(0, 8, 1, "to_dma", "its results go straight to the output DMA: nothing follows on the mesh"),
    ),
)
HRC_CHANNELS = RegisterBlock(
    "hrc.channels",
    0x40,
    1,
    "Channels of the image, written if the image layer is there",
    (Field(0, 0, 32, "channels", "1 or 3"),),
)
HRC_OUTPUT = RegisterBlock(
    "hrc.output",
    0x44,
    1,
    "Strides of a dense output; 0 where it is a vector",
    (
        _later(0, 0, 20, "row", "channels times d1 of the output"),
        _later(0, 20, 12, "cell", "channels of the output"),
    ),
)
HRC_CONFIGURATION = RegisterBlock(
    "hrc.configuration",
    0x08,
    8,
    "The image layer",
    (
        Field(0, 0, 1, "loading", "1 while the memories are filled, 0 at the end"),
        Field(0, 4, 2, "kernel", "0 is 3x3, 1 is 5x5, 2 is 7x7"),
        Field(0, 8, 2, "act_bits", "bits of a level: 0 is 1, 1 is 2, 2 is 4"),
        Field(0, 12, 1, "one_channel", "1 for one channel, 0 for three"),
        Field(0, 13, 1, "valid", "padding is valid"),
        Field(0, 16, 1, "pool_d1", "max pooling by 2 along d1"),
        Field(0, 17, 1, "pool_d0", "max pooling by 2 along d0"),
        Field(0, 20, 2, "valid_2", "3 if padding is valid, else 0"),
        Field(1, 0, 4, "stride_d1", "stride along d1"),
        Field(1, 4, 4, "stride_d0", "stride along d0"),
        Field(2, 0, 8, "padding_value_0", "what lies outside the image"),
        Field(2, 8, 8, "padding_value_1", "the same again"),
        Field(2, 16, 8, "padding_value_2", "the same again"),
        Field(3, 0, 4, "before_d0", "padding before, along d0"),
        Field(3, 4, 4, "after_d0", "padding after, along d0"),
        Field(3, 8, 4, "before_d1", "padding before, along d1"),
        Field(3, 12, 4, "after_d1", "padding after, along d1"),
        Field(4, 16, 16, "last_filter", "filters - 1"),
    ),
)
HRC_START = RegisterBlock("hrc.start", 0x08, 1, "Word 0x08 once more, after loading", HRC_CONFIGURATION.fields[:8])
HRC_MEMORY = RegisterBlock(
    "hrc.memory",
    0x20,
    2,
    "Which memory of the image layer the next block fills",
    (
        Field(0, 0, 3, "bank", "one bit: weight bank 0, 1 or 2"),
        Field(0, 31, 1, "thresholds", "thresholds and steps"),
    ),
)
HRC_PULSE = RegisterBlock(
    "hrc.pulse",
    0x00,
    1,
    "Written 1, then 0, at the end",
    (Field(0, 0, 1, "pulse", "not known: it may start the layer", 0, "constant"),),
)

EPG = RegisterBlock(
    "epg",
    0x40000,
    8,
    "Event gateway, written by the driver from epg_tracks (offset = 4 x word)",
    (
        Field(0, 1, 1, "flat_input", "inputs are flat events"),
        Field(0, 9, 1, "constant_0_9", "not known", 1, "constant"),
        Field(0, 12, 1, "image_input", "inputs come from the image layer"),
        Field(0, 17, 1, "constant_0_17", "not known", 1, "constant"),
        _constant(3, 0, 32, "constant_3", 0x10),
        Field(4, 0, 16, "constant_4", "not known", 1, "constant"),
        Field(4, 16, 8, "first_low", "lowest column of the first mesh layer's NPs"),
        Field(4, 24, 8, "first_high", "highest column of the first mesh layer's NPs"),
        _constant(5, 0, 32, "constant_5", 0x100),
        _constant(6, 0, 32, "constant_6", 0x01FE0001),
        _constant(7, 0, 32, "constant_7", 0x027FFFFF),
    ),
    stride=4,
)
EPG_WORDS = (0, 3, 4, 5, 6, 7)
"""The words of the event gateway that a program sets."""

BLOCKS = (
    FNP,
    CNP,
    HRC_MODE,
    HRC_CHANNELS,
    HRC_OUTPUT,
    HRC_CONFIGURATION,
    HRC_START,
    HRC_MEMORY,
    HRC_PULSE,
    EPG,
)
HRC_BLOCKS = (HRC_MODE, HRC_CHANNELS, HRC_OUTPUT, HRC_CONFIGURATION, HRC_START, HRC_MEMORY, HRC_PULSE)


def np_block(words: Words) -> RegisterBlock:
    """Which of the two NP blocks these 50 words are; raises DiagnosticError AKC0611."""
    for block in (FNP, CNP):
        if len(words) == block.length and int(words[1]) & 0xFFFF == block.by_name["constant_1"].value:
            return block
    raise error("AKC0611", f"an NP register block of {len(words)} words is of no known kind")


def hrc_block(address: int, length: int) -> RegisterBlock | None:
    """The image front end's block at an address; None if there is none of this length."""
    return next((b for b in HRC_BLOCKS if (b.address, b.length) == (address, length)), None)
