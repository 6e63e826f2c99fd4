# SPDX-License-Identifier: Apache-2.0
"""What the emulated chip refuses, fault by fault, and that what it decodes is what was built."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.chip_registers import CONFIG_DMA, EPG, EVENT_DMA
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from akc.targets.akida1.emulator.chip import EmulatedChip
from akc.targets.akida1.emulator.processors import FILTERS, FIRE_THRESHOLDS, Fabric, Processor
from akc.targets.akida1.program.registers import CNP, FNP, HRC_CONFIGURATION, RegisterBlock
from tests.targets.akida1.driver.networks import networks


@pytest.fixture
def chip(bus: EmulatorBus) -> EmulatedChip:
    return bus.chip


def programmed(bus: EmulatorBus, name: str) -> Device:
    device = Device(bus, AKD1000)
    device.program(networks()[name].program)
    return device


# -- registers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0x08, 0x50, 0x40004, 0x20034, 0x38000, 0x70008, 0x80000])
def test_registers_that_no_row_describes(chip: EmulatedChip, offset: int) -> None:
    with pytest.raises(errors.UnknownRegister, match="AKC0821"):
        chip.read_register(offset)
    with pytest.raises(errors.UnknownRegister):
        chip.write_register(offset, 0)


def test_status_registers_cannot_be_written(chip: EmulatedChip) -> None:
    with pytest.raises(errors.UnknownRegister, match="read-only"):
        chip.write_register(EVENT_DMA + 0x10, 1)


def test_the_chip_has_one_pass(chip: EmulatedChip) -> None:
    with pytest.raises(errors.UnknownRegister, match="no multi-pass mode"):
        chip.write_register(0x04, 2)


def test_resets(bus: EmulatorBus, chip: EmulatedChip) -> None:
    programmed(bus, "image-conv-dense")
    assert chip.fabric.processors and chip.fabric.image.memories
    chip.write_register(0x04, 1 << 9)
    assert chip.read_register(CONFIG_DMA + 0x04) == 0x00FF00FF
    assert chip.fabric.processors
    chip.write_register(0x04, 1 << 10)
    assert not chip.fabric.processors and chip.fabric.image.memories
    chip.write_register(0x04, 1 << 12)
    assert not chip.fabric.image.memories


def test_memory_has_an_end(bus: EmulatorBus) -> None:
    for address in (0x1FFFFFFF, 0x30000000 - 2):
        with pytest.raises(errors.ChipFault, match="not in device memory"):
            bus.read(address, 4)


# -- transfers -------------------------------------------------------------------------------------


def words(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    return np.array(values, np.uint32)


BAD_TRACKS: dict[str, tuple[tuple[int, ...], str]] = {
    "no such processor": ((0x01010108, 50 << 16, *[0] * 50), r"names \[\(1, 1, 0\)\]"),
    "no processor": ((0x01030008, 50 << 16, *[0] * 50), "names no processor"),
    "no such unit": ((0x01030105, 1 << 16, 0), "unit 5"),
    "half a header": ((0x01030108,), "ends inside a header"),
    "nothing": ((0x01030108, 0), "announces no words"),
    "beyond its track": ((0x01030106, 5 << 16, 0), "does not end in its track"),
    "unknown bits": ((0x01030118, 1 << 16, 0), "bits set outside its fields"),
    "image unit": ((0x00000084, 1 << 16, 0), "no unit 4"),
}


@pytest.mark.parametrize("what", BAD_TRACKS)
def test_tracks_that_cannot_be(what: str) -> None:
    track, message = BAD_TRACKS[what]
    with pytest.raises(errors.BadDescriptor, match=message):
        Fabric(AKD1000).play(words(*track))


def test_registers_that_a_processor_does_not_have() -> None:
    with pytest.raises(errors.UnknownRegister, match="50 registers from 0, found 2 from 0x31"):
        Fabric(AKD1000).play(words(0x01030108, 2 << 16 | 49, 0, 0))
    with pytest.raises(errors.UnknownRegister, match="no register 0x5"):
        Fabric(AKD1000).play(words(0x00000088, 1 << 16 | 5, 0))


def test_image_memories_need_the_loading_bit_and_one_name() -> None:
    fabric = Fabric(AKD1000)
    fabric.play(words(0x00000088, 2 << 16 | 0x20, 1, 0))
    with pytest.raises(errors.BadDescriptor, match="loading bit is clear"):
        fabric.play(words(0x00000080, 1 << 16 | 0x28, 7))
    fabric.play(words(0x00000088, 1 << 16 | 0x08, 1))
    fabric.play(words(0x00000080, 1 << 16 | 0x28, 7))
    with pytest.raises(errors.ProgrammedTwice, match="memory 0 of the image front end"):
        fabric.play(words(0x00000080, 1 << 16 | 0x28, 7))
    fabric.play(words(0x00000088, 2 << 16 | 0x20, 3, 0))
    with pytest.raises(errors.BadDescriptor, match="names 2 memories"):
        fabric.play(words(0x00000080, 1 << 16 | 0x28, 7))


def test_a_processor_programmed_twice() -> None:
    processor = Processor((1, 3, 0))
    first = FNP.encode({"units": 3, "layer": 1})
    processor.write(8, 0, first)
    processor.write(8, 0, first)
    with pytest.raises(errors.ProgrammedTwice, match=r"NP \(1, 3, 0\) is programmed twice .* \[15\]"):
        processor.write(8, 0, FNP.encode({"units": 4, "layer": 1}))
    processor.write(FILTERS, 2, words(*range(32)))
    processor.write(FILTERS, 0, words(*range(32)))
    with pytest.raises(errors.ProgrammedTwice, match="filled twice at 0x1"):
        processor.write(FILTERS, 1, words(1))


def test_a_descriptor_of_the_wrong_size(bus: EmulatorBus, chip: EmulatedChip) -> None:
    programmed(bus, "dense-levels")
    chip.write_register(CONFIG_DMA + 0x0C, 1 << 16 | 2)
    chip.write_register(CONFIG_DMA + 0x00, 0x500)
    with pytest.raises(errors.BadDescriptor, match="have 32 bytes"):
        chip.write_register(CONFIG_DMA + 0x04, 0x00FF)


def test_a_descriptor_that_is_none(bus: EmulatorBus, chip: EmulatedChip) -> None:
    programmed(bus, "dense-levels")
    chip.write_register(CONFIG_DMA + 0x00, 0x500)
    last = chip.read_register(CONFIG_DMA + 0x04) >> 16 & 0xFF
    bus.write(chip.read_register(CONFIG_DMA + 0x08) + 32 * (1 - last), bytes(32))
    with pytest.raises(errors.BadDescriptor, match="version is 1 in a descriptor, found 0"):
        chip.write_register(CONFIG_DMA + 0x04, (1 - last) << 16 | last)


# -- networks --------------------------------------------------------------------------------------


def change(chip: EmulatedChip, block: RegisterBlock, field: str, delta: int, which: int = 0) -> None:
    """Add to a register field of one processor that has this block."""
    holders = [
        p
        for _, p in sorted(chip.fabric.processors.items())
        if p.registers is not None and int(p.registers[1]) & 0xFFFF == block.by_name["constant_1"].value
    ]
    row = block.by_name[field]
    registers = holders[which].registers
    assert registers is not None
    registers = registers.copy()
    value = row.get(int(registers[row.word])) + delta
    registers[row.word] = int(registers[row.word]) & ~row.mask & 0xFFFFFFFF | row.put(value)
    holders[which].registers = registers
    chip.fabric.changes += 1


CONTRADICTIONS: tuple[tuple[str, RegisterBlock, str, int], ...] = (
    ("dense-levels", FNP, "units", 1),
    ("dense-levels", FNP, "input_words", 1),
    ("dense-levels", FNP, "weight_words", 4),
    ("dense-levels", FNP, "unit_activation", -1),
    ("dense-levels", FNP, "input_area", 1),
    ("dense-levels", FNP, "memory_rows", 1),
    ("dense-levels", FNP, "weight_bits", -2),
    ("dense-levels", FNP, "layer", 1),
    ("dense-levels", FNP, "next_layer", -1),
    ("dense-levels", FNP, "source_low", -1),
    ("dense-levels", FNP, "route", 1),
    ("dense-levels", FNP, "constant_12", 1),
    ("dense-levels", FNP, "np_count", 1),
    ("dense-one-bit", FNP, "next_high", 1),
    ("dense-external-weights", FNP, "dma_row", 1),
    ("dense-external-weights", FNP, "internal_weights", 1),
    ("conv-levels", CNP, "filters", 1),
    ("conv-levels", CNP, "first_filter", 1),
    ("conv-levels", CNP, "line_words", 1),
    ("conv-levels", CNP, "line_bytes", 1),
    ("conv-levels", CNP, "buffer_words", 1),
    ("conv-levels", CNP, "kernel", 2),
    ("conv-levels", CNP, "kernel", -1),
    ("conv-levels", CNP, "np_count", 1),
    ("conv-levels", CNP, "channel_units", 1),
    ("conv-levels", CNP, "outputs_d0", 1),
    ("conv-levels", CNP, "output_start_d1", 1),
    ("conv-levels", CNP, "size_d0", 1),
    ("conv-levels", CNP, "padded_tile_d0", 4),
    ("conv-levels", CNP, "tile_d1", 1),
    ("conv-levels", CNP, "start_d0", 1),
    ("conv-levels", CNP, "filter_groups", 1),
    ("conv-levels", CNP, "filters_wide", 1),
    ("conv-levels", CNP, "act_bits", 1),
    ("conv-stride-pool", CNP, "stride_2", -1),
    ("conv-stride-pool", CNP, "centre_first_d0", 1),
    ("conv-stride-pool", CNP, "pool_stride", -1),
    ("conv-stride-pool", CNP, "pool_size", -1),
    ("conv-tiled", CNP, "halo_d0", -1),
    ("conv-tiled", CNP, "tile_d0", -1),
    ("conv-tiled", CNP, "single_buffer", 1),
    ("separable", CNP, "pointwise_bits", -1),
    ("separable", CNP, "pointwise_rows", 1),
    ("separable", CNP, "pointwise_start", 8),
    ("separable", CNP, "depthwise_bits", 1),
)
"""(network, block, field, what is added): what no layer can have."""


@pytest.mark.parametrize(("name", "block", "field", "delta"), CONTRADICTIONS, ids=lambda v: getattr(v, "name", str(v)))
def test_registers_that_contradict_each_other(
    bus: EmulatorBus, chip: EmulatedChip, name: str, block: RegisterBlock, field: str, delta: int
) -> None:
    device = programmed(bus, name)
    holders = [
        p
        for p in chip.fabric.processors.values()
        if p.registers is not None and int(p.registers[1]) & 0xFFFF == block.by_name["constant_1"].value
    ]
    values = [block.by_name[field].get(int(p.registers[block.by_name[field].word])) for p in holders]  # type: ignore[index]
    which = next((n for n, v in enumerate(values) if v + delta >= 0 and not (delta < 0 and v == 0)), 0)
    change(chip, block, field, delta, which)
    with pytest.raises((errors.BadGeometry, errors.BadEvent)) as raised:
        device.forward(networks()[name].inputs)
    assert "AKC082" in str(raised.value)
    assert not device.programmed


def spoil_memory(chip: EmulatedChip, unit: int) -> None:
    processor = next(p for p in chip.fabric.processors.values() if unit in p.memories)
    block = processor.memories[unit][0]
    processor.memories[unit] = [type(block)(block.address, block.words[:-2])]
    chip.fabric.changes += 1


def drop_image_thresholds(chip: EmulatedChip) -> None:
    del chip.fabric.image.memories["thresholds"]
    chip.fabric.changes += 1


def image_register(field: str, value: int) -> Callable[[EmulatedChip], None]:
    def spoil(chip: EmulatedChip) -> None:
        row = HRC_CONFIGURATION.by_name[field]
        address = HRC_CONFIGURATION.address + row.word
        held = chip.fabric.image.registers[address]
        chip.fabric.image.registers[address] = held & ~row.mask & 0xFFFFFFFF | row.put(value)
        chip.fabric.changes += 1

    return spoil


def gateway(word: int, bits: int) -> Callable[[EmulatedChip], None]:
    def spoil(chip: EmulatedChip) -> None:
        chip.write_register(EPG + 4 * word, chip.read_register(EPG + 4 * word) ^ bits)

    return spoil


def drop_registers(chip: EmulatedChip) -> None:
    next(iter(chip.fabric.processors.values())).registers = None
    chip.fabric.changes += 1


SPOILS: dict[str, tuple[str, Callable[[EmulatedChip], None], str]] = {
    "filters cut short": ("conv-levels", lambda chip: spoil_memory(chip, FILTERS), "AKC0824"),
    "thresholds cut short": ("conv-levels", lambda chip: spoil_memory(chip, FIRE_THRESHOLDS), "number of thresholds"),
    "weights cut short": ("dense-levels", lambda chip: spoil_memory(chip, 6), "the weight memory"),
    "no registers": ("dense-levels", drop_registers, "memories but no registers"),
    "image: no thresholds": ("image-alone", drop_image_thresholds, "no thresholds"),
    "image: loading": ("image-alone", image_register("loading", 1), "loading is 1"),
    "image: kernel": ("image-alone", image_register("kernel", 3), "kernel code 3"),
    "image: filters": ("image-alone", image_register("last_filter", 20), "AKC0824"),
    "image: padding": ("image-alone", image_register("before_d0", 2), "before_d0 is 2"),
    "image: channels": ("image-alone", image_register("one_channel", 1), "channels is 3"),
    "image: stride": ("image-alone", image_register("stride_d0", 0), "stride of 0"),
    "gateway: column": ("dense-levels", gateway(4, 1 << 24), "first_high"),
    "gateway: constant": ("dense-levels", gateway(6, 1), "constant_6"),
    "gateway: flat events for a map": ("conv-levels", gateway(0, 2), "flat events to a layer that takes a map"),
    "gateway: source": ("dense-levels", gateway(0, 1 << 12), "image_input"),
}


@pytest.mark.parametrize("what", SPOILS)
def test_memories_and_gateways_that_do_not_fit(bus: EmulatorBus, chip: EmulatedChip, what: str) -> None:
    name, spoil, message = SPOILS[what]
    device = programmed(bus, name)
    spoil(chip)
    with pytest.raises(errors.BadGeometry, match=message):
        device.forward(networks()[name].inputs)


@pytest.mark.parametrize(("name", "unit"), [("conv-tiled", FILTERS), ("conv-tiled", FIRE_THRESHOLDS)])
def test_tiles_with_different_numbers(bus: EmulatorBus, chip: EmulatedChip, name: str, unit: int) -> None:
    """Each tile of a layer holds the same filters and thresholds."""
    device = programmed(bus, name)
    processors = [p for p in chip.fabric.processors.values() if unit in p.memories]
    first = processors[0].registers
    assert first is not None
    other = next(p for p in processors[1:] if p.registers is not None and p.registers[26] == first[26])
    block = other.memories[unit][0]
    spoiled = block.words.copy()
    spoiled[0] ^= 1
    other.memories[unit] = [type(block)(block.address, spoiled)]
    chip.fabric.changes += 1
    with pytest.raises(errors.BadGeometry, match="the same filters with different numbers"):
        device.forward(networks()[name].inputs)


def test_two_layers_that_do_not_fit_each_other(bus: EmulatorBus, chip: EmulatedChip) -> None:
    device = programmed(bus, "dense-one-bit")
    change(chip, FNP, "act_bits", 1)
    with pytest.raises(errors.BadGeometry, match="bits of a level is 1, 2 goes with the rest"):
        device.forward(networks()["dense-one-bit"].inputs)


# -- events ----------------------------------------------------------------------------------------

BAD_EVENTS: dict[str, tuple[str, tuple[int, ...], str]] = {
    "outside": ("conv-levels", (9, 2 << 16), r"event 0 at \(9, 0, 0\) is outside"),
    "too large": ("conv-levels", (0, 16 << 16), "an event of 16 does not fit 4 bits"),
    "twice": ("conv-levels", (1, 1 << 16, 1, 2 << 16), "two events have the same place"),
    "half a pair": ("conv-levels", (1, 1 << 16, 1), "3 words are no pairs"),
    "flat, outside": ("dense-levels", (64, 1, 0, 1), "is outside"),
}


@pytest.mark.parametrize("what", BAD_EVENTS)
def test_events_that_do_not_fit(bus: EmulatorBus, what: str) -> None:
    name, events, message = BAD_EVENTS[what]
    device = programmed(bus, name)
    device.set_batch_size(1)
    bus.write(0x20200000, words(*events).tobytes())
    with pytest.raises(errors.BadEvent, match=message):
        device.enqueue_external(0x20200000, len(events))
        device.fetch()
    assert not device.programmed


def test_an_image_without_image_layer_and_the_other_way_round(bus: EmulatorBus, chip: EmulatedChip) -> None:
    programmed(bus, "dense-levels")
    with pytest.raises(errors.BadEvent, match="there is no image layer"):
        chip.network().maps_of_rows([np.zeros((5, 5), np.uint8)])
    programmed(bus, "image-alone")
    with pytest.raises(errors.BadEvent, match="the image layer is the first"):
        chip.network().maps_of_events([words(0, 0)])


# -- what is decoded -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks())
def test_the_decoded_network_has_the_weights_that_were_built(bus: EmulatorBus, chip: EmulatedChip, name: str) -> None:
    built = networks()[name]
    programmed(bus, name)
    network = chip.network()
    decoded = [*([network.image] if network.image else []), *network.layers]
    layers = list(built.program.module.net.ops)
    assert len(layers) == len(decoded)
    for op, found in zip(layers, decoded, strict=True):
        assert type(op) is found.kind
        for key in ("weights", "pointwise"):
            if hasattr(op, key):
                expected = built.program.module.array(getattr(op, key))
                array, _ = found.weights[key]
                np.testing.assert_array_equal(array[:, : expected.shape[1]], expected)
                assert not array[:, expected.shape[1] :].any(), "room beyond the inputs is empty"
