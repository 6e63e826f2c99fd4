# SPDX-License-Identifier: Apache-2.0
"""The bus over the kernel module's node, with a sparse file in its place: positions are chip addresses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from akc.targets import faults as errors
from akc.targets.akida1.driver import bus_akida, lock
from akc.targets.akida1.driver.bus import REGISTER_BASE
from akc.targets.akida1.driver.bus_akida import AkidaBus

SCRATCH = 0x24000000


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: str(tmp_path))
    path = tmp_path / "akida0"
    with path.open("wb") as file:
        file.truncate(SCRATCH + (4 << 20))
    yield path


def test_registers_are_at_the_start_of_the_mapping(node: Path) -> None:
    bus = AkidaBus(str(node))
    bus.write32(REGISTER_BASE + 0x30008, 0x24000000)
    assert bus.read32(REGISTER_BASE + 0x30008) == 0x24000000
    bus.close()
    with node.open("rb") as file:
        file.seek(0x30008)
        assert file.read(4) == bytes.fromhex("00000024")


@pytest.mark.parametrize(("start", "size"), [(0, 8), (1, 2), (3, 5), (0, 5), (2, 4), (0, 0)])
def test_memory_keeps_what_stands_around(node: Path, start: int, size: int) -> None:
    bus = AkidaBus(str(node))
    bus.write(SCRATCH, bytes(range(1, 17)))
    if size:
        bus.write(SCRATCH + start, b"\xff" * size)
    expected = bytearray(range(1, 17))
    expected[start : start + size] = b"\xff" * size
    assert bus.read(SCRATCH, 16) == bytes(expected)
    assert bus.read(SCRATCH + start, size) == b"\xff" * size
    bus.close()


def test_long_transfers_go_in_pieces(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_akida, "CHUNK", 64)
    bus = AkidaBus(str(node))
    data = bytes(n % 251 for n in range(1003))
    bus.write(SCRATCH + 4, data)
    assert bus.read(SCRATCH + 4, len(data)) == data
    bus.close()


def test_every_transfer_is_in_whole_words(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = AkidaBus(str(node))
    seen: list[int] = []
    pread, pwrite = os.pread, os.pwrite

    def read(file: int, size: int, at: int) -> bytes:
        seen.extend((size, at))
        return pread(file, size, at)

    def write(file: int, data: bytes, at: int) -> int:
        seen.extend((len(data), at))
        return pwrite(file, data, at)

    monkeypatch.setattr(bus_akida.os, "pread", read)
    monkeypatch.setattr(bus_akida.os, "pwrite", write)
    bus.write(SCRATCH + 1, b"abcdefg")
    bus.read(SCRATCH + 3, 9)
    assert seen and not any(n % 4 for n in seen)
    bus.close()


def test_a_short_read(node: Path) -> None:
    bus = AkidaBus(str(node))
    with pytest.raises(errors.ShortTransfer, match="gave 8 of 16 bytes"):
        bus.read(SCRATCH + (4 << 20) - 8, 16)
    bus.close()


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (errno.EIO, errors.DeviceGone),
        (errno.ENODEV, errors.DeviceGone),
        (errno.ETIMEDOUT, errors.TimedOut),
        (errno.EINVAL, errors.ShortTransfer),
    ],
)
def test_errors_of_the_module_have_names(
    node: Path, monkeypatch: pytest.MonkeyPatch, number: int, fault: type[errors.DeviceError]
) -> None:
    bus = AkidaBus(str(node))

    def fail(*args: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(bus_akida.os, "pread", fail)
    with pytest.raises(fault, match=r"read at 0x24000000 of .*akida0"):
        bus.read(SCRATCH, 4)
    bus.close()


def test_all_ones_mean_that_the_card_is_gone(node: Path) -> None:
    bus = AkidaBus(str(node))
    bus.write32(REGISTER_BASE + 0x70004, 0xFFFFFFFF)
    assert bus.read32(REGISTER_BASE + 0x70004) == 0xFFFFFFFF
    bus.write32(REGISTER_BASE, 0xFFFFFFFF)
    with pytest.raises(errors.DeviceGone, match="reads all ones"):
        bus.read32(REGISTER_BASE + 0x70004)
    bus.close()


def test_two_processes_on_one_device(node: Path) -> None:
    bus = AkidaBus(str(node))
    with pytest.raises(errors.DeviceBusy, match="in use by process"):
        AkidaBus(str(node))
    bus.close()
    AkidaBus(str(node)).close()


def test_a_node_that_is_not_there(tmp_path: Path, node: Path) -> None:
    with pytest.raises(errors.CannotOpen, match="akc devices"):
        AkidaBus(str(tmp_path / "akida7"))
    node.chmod(0)
    if os.geteuid():
        with pytest.raises(errors.CannotOpen, match="chmod 666"):
            AkidaBus(str(node))


def test_addresses_outside_the_registers(node: Path) -> None:
    bus = AkidaBus(str(node))
    for address in (REGISTER_BASE - 4, REGISTER_BASE + 2, REGISTER_BASE + 0x78000):
        with pytest.raises(ValueError, match="is no register"):
            bus.read32(address)
    bus.close()
