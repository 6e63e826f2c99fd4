# SPDX-License-Identifier: Apache-2.0
"""Before VFIO gives a card: the address translation word by word, and what keeps a card from being taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define, field

from akc.targets import faults as errors
from akc.targets.akida1.driver.bus_vfio import TRANSLATION, set_translation
from akc.targets.akida1.driver.vfio import iommu_group


@define
class Config:
    """A configuration space that keeps what is written."""

    size: int = 4096
    held: bytearray = field(factory=lambda: bytearray(4096))
    writes: list[tuple[int, int]] = field(factory=list)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.held[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self.writes.append((offset, int.from_bytes(data, "little")))
        self.held[offset : offset + len(data)] = data

    def close(self) -> None:
        """Nothing is open."""


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
