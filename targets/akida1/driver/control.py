# SPDX-License-Identifier: Apache-2.0
"""The top-level registers: what the device is, resets, modes, interrupts."""

from __future__ import annotations

from akc.targets.akida1.chip import Chip
from akc.targets.akida1.driver.bus import Bus
from akc.targets.akida1.driver.chip_registers import INTERRUPT_ENABLE, INTERRUPT_MASK, top
from akc.targets.akida1.driver.controller import set_fields
from akc.targets.faults import WrongIdentification

EVENT_SOURCE, HRC_SOURCE = 0, 5
"""Bits of the interrupt sources."""
RESET_SECONDS = 0.001
"""More than the 40 clock cycles that a reset takes."""


def identify(bus: Bus, chip: Chip) -> tuple[int, int, int, int]:
    """The version behind a bus; raises WrongIdentification unless it is the chip's."""
    word = bus.read32(bus.register_base)
    version = tuple(top(name).get(word) for name in ("vendor", "product", "major", "minor"))
    unnamed = word == 0 and chip.mark != "" and chip.mark in bus.description
    if version != chip.version and not unnamed:
        raise WrongIdentification(
            f"the device identifies itself as {word:#010x} ({bus.description or 'no description'})",
            f"it is not the {chip.title} that it was opened as",
            "all ones mean that nothing answers: check the slot, power and `akc devices`",
        )
    return chip.version


def pulse(bus: Bus, *names: str) -> None:
    """Set bits of the control register for a millisecond; it is read once."""
    address = bus.register_base + top(names[0]).offset
    word = bus.read32(address)
    for value in (1, 0):
        for name in names:
            word = top(name).put(word, value)
        bus.write32(address, word)
        bus.sleep(RESET_SECONDS)


def set_single_pass(bus: Bus) -> None:
    """Partial reconfiguration off: an AKD1000 program has one pass."""
    set_fields(bus, bus.register_base + top("multi_pass").offset, {top("multi_pass"): 0})


def enable_interrupts(bus: Bus, source: int) -> None:
    """Let one source through and turn interrupts on."""
    bus.write32(bus.register_base + INTERRUPT_MASK, 0xFFFFFFFF & ~(1 << source))
    bus.write32(bus.register_base + INTERRUPT_ENABLE, 1)
