# SPDX-License-Identifier: Apache-2.0
"""What the records of a program hold, NP by NP: registers by name and memories. Disassembler and recovery use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import DiagnosticError, error
from akc.base.flatbuffer import Buffer
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.program import cnp_memory, fnp_memory, hrc
from akc.targets.akida1.program.container import (
    Container,
    Header,
    LearningRecords,
    Place,
    Record,
    Words,
    split,
)
from akc.targets.akida1.program.number_forms import Integers
from akc.targets.akida1.program.registers import (
    BITS_OF_CODE,
    DENSE_WEIGHT_CODES,
    FNP,
    HRC_CHANNELS,
    HRC_CONFIGURATION,
    HRC_MEMORY,
    HRC_MODE,
    HRC_OUTPUT,
    RegisterBlock,
    hrc_block,
    np_block,
)
from akc.targets.akida1.program.tracks import DENSE_WEIGHTS, FILTERS, REGISTERS, THRESHOLDS, Block, record_blocks

KERNELS = {0: 3, 1: 5, 2: 7}
MESH_KERNELS = (1, 3, 5, 7)


@frozen(eq=False)
class NpContents:
    """The registers of one NP, as words and by name, and its memories as words (None where the record has none)."""

    place: Place
    block: RegisterBlock
    words: Words
    values: Mapping[str, int]
    weights: Words | None = None
    pointwise: Words | None = None
    thresholds: Words | None = None

    @property
    def kind(self) -> str:
        """dense, conv or separable."""
        return "dense" if self.block is FNP else "separable" if self.values["separable"] else "conv"


@frozen(eq=False)
class ImageContents:
    """The image layer: configuration by name, its weight banks and its thresholds."""

    values: Mapping[str, int]
    banks: Mapping[int, Words]
    thresholds: Words

    @property
    def filters(self) -> int:
        """Number of filters."""
        return self.values["last_filter"] + 1


@frozen(eq=False)
class Contents:
    """A program taken apart. channels: of the image, None without image layer; layers: of the mesh, in order.

    passes: how many of the layers each pass has.
    """

    channels: int | None
    image: ImageContents | None
    layers: tuple[tuple[NpContents, ...], ...]
    passes: tuple[int, ...] = (0,)
    learning: NpContents | None = None
    """The learning layer with learning on; it is the last of `layers` too, with learning off."""


def lookup(table: Mapping[int, int], key: int, what: str) -> int:
    """A row of a table of codes; raises DiagnosticError AKC0611 where there is none."""
    if key not in table:
        raise error("AKC0611", f"{what} has the unknown code {key}")
    return table[key]


def contents_of(container: Container, chip: Chip) -> Contents:
    """Take the records apart; raises DiagnosticError AKC0610 or AKC0611."""
    check_device(container.header, chip)
    several = len(container.passes) > 1
    if not container.passes or not container.passes[0] or (several and not chip.passes):
        raise error("AKC0611", f"the program has {len(container.passes)} passes, an {chip.title} program has one")
    mode, *records = container.passes[0]
    channels = _image_channels(mode)
    image = None
    if channels is not None and records:
        image = image_layer(records.pop(0))
    groups = _layer_records([records, *container.passes[1:]])
    layers = [mesh_layer(record) for group in groups for record in group]
    counts = [len(group) for group in groups]
    learning = None
    if container.learning is not None:
        learning = _learning_np(container.learning, container.learning.learning)
        layers.append((_learning_np(container.learning, container.learning.inference),))
        counts[-1] += 1
    return Contents(channels, image, tuple(layers), tuple(counts), learning)


def _layer_records(passes: Sequence[Sequence[Record]]) -> list[Sequence[Record]]:
    """The records of layers of each pass: each but the last pass ends in one for NPs of the next pass."""
    if any(not records for records in passes[:-1]):
        raise error("AKC0611", "a pass lacks the record that prepares the next one")
    return [*(records[:-1] for records in passes[:-1]), passes[-1]]


def device_of(program: bytes) -> tuple[int, ...] | None:
    """The device version that a program names; None where it is too damaged to tell."""
    try:
        device = Buffer("program_info", split(program)[0]).root().need(1, "device_version")
        return tuple(device.number(slot, "B") for slot in range(4))
    except DiagnosticError:
        return None


def check_device(header: Header, chip: Chip) -> None:
    """Raise AKC0611 for a program of another chip."""
    if header.device_version != chip.version:
        named = [".".join(f"{n:02x}" for n in version) for version in (header.device_version, chip.version)]
        raise error("AKC0611", f"the program is for device {named[0]}, an {chip.title} is {named[1]}")


def _image_channels(mode: Record) -> int | None:
    """Channels of the image that the first record announces; None where it switches the front end to bypass."""
    channels, convolve = None, False
    for block in record_blocks(mode):
        found = front_end_block(block)
        if found is HRC_MODE:
            convolve = not HRC_MODE.decode(block.words)["bypass"]
        elif found is HRC_CHANNELS:
            channels = HRC_CHANNELS.decode(block.words)["channels"]
        elif found is not HRC_OUTPUT:
            raise error("AKC0611", "the first record sets more than the front end's mode")
    if convolve and channels not in (1, 3):
        raise error("AKC0611", f"the image layer is on with {channels} channels")
    return channels if convolve else None


def front_end_block(block: Block) -> RegisterBlock | None:
    """The rows of a register block of the front end; None for its memories. Raises AKC0611."""
    if block.place is not None:
        raise error("AKC0611", f"a block for NP {block.place} stands where the front end is set up")
    if block.unit == FILTERS:
        return None
    found = hrc_block(block.address, len(block.words)) if block.unit == REGISTERS else None
    if found is None:
        raise error("AKC0611", f"the front end has no block of {len(block.words)} words at {block.address:#x}")
    return found


def image_layer(record: Record) -> ImageContents:
    """The image layer from its record."""
    values: Mapping[str, int] | None = None
    banks: dict[int, Words] = {}
    thresholds = None
    chosen: Mapping[str, int] = {"bank": 0, "thresholds": 0}
    for block in record_blocks(record):
        found = front_end_block(block)
        if found is HRC_CONFIGURATION:
            values = HRC_CONFIGURATION.decode(block.words)
        elif found is HRC_MEMORY:
            chosen = HRC_MEMORY.decode(block.words)
        elif found is None and chosen["thresholds"]:
            thresholds = block.words
        elif found is None:
            banks[lookup({1: 0, 2: 1, 4: 2}, chosen["bank"], "the memory bank")] = block.words
    if values is None or thresholds is None:
        raise error("AKC0611", "the image layer has no configuration or no thresholds")
    return ImageContents(values, banks, thresholds)


def mesh_layer(record: Record) -> tuple[NpContents, ...]:
    """The NPs of a layer's record, in order."""
    found: list[list[Block]] = []
    for block in record_blocks(record):
        if block.place is None:
            raise error("AKC0611", "a block for the front end stands among those of a mesh layer")
        if block.unit == REGISTERS:
            found.append([block])
        elif not found or found[-1][0].place != block.place:
            raise error("AKC0611", f"a memory of NP {block.place} has no registers in front of it")
        else:
            found[-1].append(block)
    if not found:
        raise error("AKC0611", "the record of a layer is empty")
    nps = tuple(_np(blocks) for blocks in found)
    if record.external is None:
        return nps
    if len(nps) != 1 or record.external.place != nps[0].place:
        raise error("AKC0611", "external weights belong to no NP of their record")
    return (_with(nps[0], "weights", record.external.words),)


def _np(blocks: list[Block]) -> NpContents:
    registers, *memories = blocks
    block = np_block(registers.words)
    assert registers.place is not None
    contents = NpContents(registers.place, block, registers.words, block.decode(registers.words))
    for memory in memories:
        contents = _with(contents, _memory_name(contents, memory), memory.words)
    return contents


def _memory_name(contents: NpContents, memory: Block) -> str:
    if memory.unit == DENSE_WEIGHTS and contents.block is FNP and not memory.address:
        return "weights"
    if memory.unit == THRESHOLDS and contents.block is not FNP and not memory.address:
        return "thresholds"
    if memory.unit == FILTERS and contents.block is not FNP:
        return "pointwise" if memory.address else "weights"
    raise error("AKC0611", f"NP {contents.place} has no memory {memory.unit} at {memory.address:#x}")


def _with(contents: NpContents, name: str, words: Words) -> NpContents:
    """The contents with one more memory."""
    if getattr(contents, name) is not None:
        raise error("AKC0611", f"NP {contents.place} gets its {name} twice")
    memories: dict[str, Any] = {name: words}
    return evolve(contents, **memories)


def _learning_np(records: LearningRecords, registers: Record) -> NpContents:
    blocks = record_blocks(registers)
    weights = records.weights
    if len(blocks) != 1 or blocks[0].place != records.place:
        raise error("AKC0611", "the learning layer's registers are not one block of its NP")
    found = _np(blocks)
    if weights.external is not None:
        return _with(found, "weights", weights.external.words)
    memory = record_blocks(weights)
    if len(memory) != 1 or memory[0].place != records.place:
        raise error("AKC0611", "the learning layer's weights are not one block of its NP")
    return _with(found, _memory_name(found, memory[0]), memory[0].words)


# -- decoded memories ------------------------------------------------------------------------------


def need(words: Words | None, contents: NpContents, what: str) -> Words:
    """A memory that must be there; raises DiagnosticError AKC0611."""
    if words is None:
        raise error("AKC0611", f"NP {contents.place} has no {what}")
    return words


def dense_bits(contents: NpContents) -> int:
    """Bits of a dense layer's weights."""
    codes = {code: bits for bits, code in DENSE_WEIGHT_CODES.items()}
    return lookup(codes, contents.values["weight_bits"], "weight_bits")


def dense_memory(contents: NpContents, inputs: int, learning: bool = False) -> fnp_memory.Memory:
    """The weights, thresholds and steps of a dense layer with this many inputs."""
    words = need(contents.weights, contents, "weights")
    memory = fnp_memory.decode(words, inputs, dense_bits(contents), bool(contents.values["activation"]), learning)
    if len(memory.weights) != contents.values["units"]:
        raise error(
            "AKC0611",
            f"NP {contents.place} has {len(memory.weights)} units in memory,"
            f" {contents.values['units']} in its registers",
        )
    return memory


def mesh_kernel(contents: NpContents) -> int:
    """Kernel size of a convolution."""
    return lookup({k: k for k in MESH_KERNELS}, contents.values["kernel"], "the kernel size")


def conv_weights(contents: NpContents) -> tuple[Integers, int]:
    """(int8 weights [filters, a, j, channels] in the chip's orientation, bits of a weight).

    A 1x1 kernel is stored alike with 1 and 2 bits; it counts as 1 bit where no weight is negative.
    """
    values, kernel = contents.values, mesh_kernel(contents)
    words = need(contents.weights, contents, "filters")
    bits = 4 if values["wide_weights"] else 1 if values["filters_binary"] else 2
    weights = cnp_memory.decode_filters(words, kernel, bits, values["filters"])
    if kernel == 1 and bits == 2 and not (weights < 0).any():
        bits = 1
    return weights, bits


def separable_bits(contents: NpContents) -> int:
    """Bits of a separable layer's weights."""
    bits = lookup(BITS_OF_CODE, contents.values["depthwise_bits"], "depthwise_bits")
    if bits == 1:
        raise error("AKC0611", "a separable layer has no weights of 1 bit")
    return bits


def separable_weights(contents: NpContents) -> tuple[Integers, Integers, int]:
    """(depthwise [channels, a, j] in the chip's orientation, pointwise [filters, channels], bits)."""
    bits, kernel = separable_bits(contents), mesh_kernel(contents)
    if kernel == 1:
        raise error("AKC0611", "a separable layer has no 1x1 kernel")
    pointwise = cnp_memory.decode_pointwise(
        need(contents.pointwise, contents, "pointwise weights"), bits, contents.values["filters"]
    )
    depthwise = cnp_memory.decode_depthwise(
        need(contents.weights, contents, "depthwise weights"), kernel, bits, pointwise.shape[1]
    )
    return depthwise, pointwise, bits


def mesh_thresholds(contents: NpContents) -> tuple[Integers, Integers]:
    """(thresholds, steps) of the filters of an NP."""
    thresholds, steps = cnp_memory.decode_thresholds(need(contents.thresholds, contents, "thresholds"))
    if len(thresholds) != contents.values["filters"]:
        raise error(
            "AKC0611",
            f"NP {contents.place} has thresholds for {len(thresholds)} filters,"
            f" {contents.values['filters']} are in its registers",
        )
    return thresholds, steps


def image_weights(image: ImageContents, channels: int) -> Integers:
    """int8 weights [filters, k0, k1, channels] of the image layer."""
    kernel = lookup(KERNELS, image.values["kernel"], "the image layer's kernel")
    return np.asarray(hrc.decode_banks(dict(image.banks), kernel, channels, image.filters))


def filters_of(layer: tuple[NpContents, ...]) -> int:
    """Filters or units of a whole layer."""
    if layer[0].block is FNP:
        return layer[0].values["units"]
    return max(np_.values["first_filter"] + np_.values["filters"] for np_ in layer)
