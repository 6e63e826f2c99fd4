# SPDX-License-Identifier: Apache-2.0
"""The VFIO bus on windows of our own: the address translation, its checks, and a whole run through the two BARs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attrs import define, field

from akc.targets.akd1000.driver import errors
from akc.targets.akd1000.driver.bus import MEMORY_BASE, REGISTER_BASE
from akc.targets.akd1000.driver.bus_vfio import TRANSLATION, VfioBus, iommu_group, read_word, set_translation
from akc.targets.akd1000.driver.driver import Device
from akc.targets.akd1000.emulator.bus import EmulatorBus
from tests.targets.akd1000.driver.networks import networks


@define
class Config:
    """A configuration space that keeps what is written, or not."""

    keeps: bool = True
    size: int = 4096
    held: bytearray = field(factory=lambda: bytearray(4096))
    writes: list[tuple[int, int]] = field(factory=list)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.held[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self.writes.append((offset, int.from_bytes(data, "little")))
        if self.keeps or offset < 0x100:
            self.held[offset : offset + len(data)] = data


@define
class Registers:
    """BAR 0 in front of an emulated chip; plain memory while no translation is in force."""

    chip: EmulatorBus
    config: Config
    size: int = 0x400000

    def read(self, offset: int, size: int) -> bytes:
        return self.chip.read32(REGISTER_BASE + offset).to_bytes(4, "little")

    def write(self, offset: int, data: bytes) -> None:
        assert read_word(self.config, 0x918) == MEMORY_BASE, "registers are touched after the translation is set"
        self.chip.write32(REGISTER_BASE + offset, int.from_bytes(data, "little"))


@define
class Memory:
    """BAR 4: a window of device memory."""

    chip: EmulatorBus
    size: int = 0x400000

    def read(self, offset: int, size: int) -> bytes:
        assert offset + size <= self.size
        return self.chip.read(MEMORY_BASE + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        assert offset >= 0x100 and offset + len(data) <= self.size
        self.chip.write(MEMORY_BASE + offset, data)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VfioBus, "sleep", lambda self, seconds: None)


def test_the_twelve_writes() -> None:
    assert TRANSLATION == (
        (0x900, 0x80000000),
        (0x904, 0),
        (0x918, 0xFCC00000),
        (0x908, 0xC0080000),
        (0x900, 0x80000001),
        (0x904, 0),
        (0x918, 0xF8C00000),
        (0x908, 0xC0080200),
        (0x900, 0x80000002),
        (0x904, 0),
        (0x918, 0x20000000),
        (0x908, 0xC0080400),
    )
    config = Config()
    set_translation(config)
    assert config.writes == [(0x04, 0x06), *TRANSLATION]


def test_a_whole_run_through_the_bars() -> None:
    chip, config = EmulatorBus(), Config()
    closed: list[int] = []
    bus = VfioBus(Registers(chip, config), Memory(chip), config, lambda: closed.append(1))
    built = networks()["image-conv-dense"]
    with Device(bus) as device:
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)
    assert closed == [1]


def test_writes_that_do_not_stay() -> None:
    with pytest.raises(errors.CannotOpen, match="configuration word 0x900 reads 0x00000000"):
        set_translation(Config(keeps=False))


@define
class PlainMemory:
    """A window that shows memory in place of registers, or nothing at all."""

    answers: bool = True
    size: int = 0x400000
    held: dict[int, bytes] = field(factory=dict)

    def read(self, offset: int, size: int) -> bytes:
        return self.held.get(offset, bytes(size)) if self.answers else b"\xff" * size

    def write(self, offset: int, data: bytes) -> None:
        self.held[offset] = data


@pytest.mark.parametrize(("answers", "read"), [(True, "0x00000000"), (False, "0xffffffff")])
def test_a_window_without_registers(answers: bool, read: str) -> None:
    with pytest.raises(errors.WrongIdentification, match=f"ring indices read {read} after a soft reset"):
        VfioBus(PlainMemory(answers), Memory(EmulatorBus()), Config())


def test_a_window_that_is_too_small() -> None:
    with pytest.raises(errors.CannotOpen, match="BAR 0 has 0x1000 bytes"):
        VfioBus(PlainMemory(size=0x1000), Memory(EmulatorBus()), Config())


def test_what_keeps_a_card_from_vfio(tmp_path: Path) -> None:
    with pytest.raises(errors.CannotOpen, match="no PCI device"):
        iommu_group("0000:01:00.0", tmp_path)
    card = tmp_path / "0000:01:00.0"
    card.mkdir()
    with pytest.raises(errors.CannotOpen, match="in no IOMMU group"):
        iommu_group(card.name, tmp_path)
    (tmp_path / "groups" / "17").mkdir(parents=True)
    (card / "iommu_group").symlink_to(tmp_path / "groups" / "17")
    with pytest.raises(errors.CannotOpen, match="not bound to vfio-pci"):
        iommu_group(card.name, tmp_path)
    (tmp_path / "vfio-pci").mkdir()
    (card / "driver").symlink_to(tmp_path / "vfio-pci")
    assert iommu_group(card.name, tmp_path) == "17"
