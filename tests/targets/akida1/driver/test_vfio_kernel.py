# SPDX-License-Identifier: Apache-2.0
"""The VFIO bus from open to close on a kernel of our own: every request, every step that can fail, lost cards."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.bus_vfio import VfioBus, open_vfio
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.driver.vfio import DEVICE_INFO, GROUP_STATUS, IOCTLS, REGION_INFO
from tests.targets.akida1.driver.fake_kernel import REQUESTS, Kernel, install, sysfs
from tests.targets.akida1.driver.networks import networks

ADDRESS = "0000:01:00.0"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kernel]:
    monkeypatch.setattr(VfioBus, "sleep", lambda self, seconds: None)
    kernel = Kernel()
    install(kernel, monkeypatch, tmp_path)
    yield kernel
    assert not kernel.files, "every file is closed again"


@pytest.fixture
def pci(tmp_path: Path) -> Path:
    return sysfs(tmp_path)


def works(kernel: Kernel, pci: Path, name: str) -> None:
    """A whole network through the two BARs."""
    built = networks()[name]
    with Device(open_vfio(ADDRESS, pci), AKD1000) as device:
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


def test_requests_are_made_in_the_kernels_order(kernel: Kernel, pci: Path) -> None:
    open_vfio(ADDRESS, pci).close()
    calls = [call for call in kernel.calls if call not in ("pread", "pwrite")]
    assert calls == [
        "open /dev/vfio/vfio",
        "VFIO_GET_API_VERSION",
        "VFIO_CHECK_EXTENSION",
        "open /dev/vfio/17",
        "VFIO_GROUP_GET_STATUS",
        "VFIO_GROUP_SET_CONTAINER",
        "VFIO_SET_IOMMU",
        "VFIO_GROUP_GET_DEVICE_FD",
        "VFIO_DEVICE_GET_INFO",
        *["VFIO_DEVICE_GET_REGION_INFO"] * 2,
        "mmap",
        "VFIO_DEVICE_GET_REGION_INFO",
        "mmap",
    ]
    assert {number: name for name, number in IOCTLS.items()} == REQUESTS


@pytest.mark.parametrize("name", networks())
def test_networks_through_mapped_bars(kernel: Kernel, pci: Path, name: str) -> None:
    works(kernel, pci, name)


def test_an_address_without_its_domain(kernel: Kernel, pci: Path) -> None:
    open_vfio("01:00.0", pci).close()


def test_bars_that_cannot_be_mapped_are_read_and_written(kernel: Kernel, pci: Path) -> None:
    kernel.region_flags = 0b011
    works(kernel, pci, "conv-levels")
    assert "mmap" not in kernel.calls


def test_the_translation_is_what_shows_the_chip(kernel: Kernel, pci: Path) -> None:
    card = kernel.card
    assert card.target(0) is None
    open_vfio(ADDRESS, pci).close()
    assert [card.target(bar) for bar in (0, 2, 4)] == [0xFCC00000, 0xF8C00000, 0x20000000]
    assert card.config[4] & 6 == 6, "memory space and bus mastering"


STEPS: dict[str, tuple[str, int, str, str]] = {
    "no module": ("open /dev/vfio/vfio", errno.ENOENT, "/dev/vfio/vfio cannot be opened: No such", "modprobe vfio-pci"),
    "container rights": ("open /dev/vfio/vfio", errno.EACCES, "/dev/vfio/vfio cannot be opened: Perm", "chmod 666"),
    "no container": ("VFIO_GET_API_VERSION", errno.ENOTTY, "/dev/vfio/vfio is no VFIO container", ""),
    "no group": ("open /dev/vfio/17", errno.ENOENT, "/dev/vfio/17 cannot be opened: No such file", "bind the card"),
    "group rights": ("open /dev/vfio/17", errno.EACCES, "/dev/vfio/17 cannot be opened: Permission", "chown"),
    "group in use": ("open /dev/vfio/17", errno.EBUSY, "/dev/vfio/17 cannot be opened", "another program holds"),
    "status": ("VFIO_GROUP_GET_STATUS", errno.EINVAL, "IOMMU group 17 has no status", ""),
    "container in use": ("VFIO_GROUP_SET_CONTAINER", errno.EBUSY, "does not join the container", "another program"),
    "iommu rights": ("VFIO_SET_IOMMU", errno.EPERM, "the IOMMU of group 17 cannot be used", "interrupt remapping"),
    "iommu module": ("VFIO_SET_IOMMU", errno.ENODEV, "the IOMMU of group 17 cannot be used", "vfio_iommu_type1"),
    "iommu memory": ("VFIO_SET_IOMMU", errno.ENOMEM, "cannot be used: Cannot allocate memory", "kernel log"),
    "other group": ("VFIO_GROUP_GET_DEVICE_FD", errno.ENODEV, "does not give 0000:01:00.0", "not in this group"),
    "device info": ("VFIO_DEVICE_GET_INFO", errno.EINVAL, "0000:01:00.0 does not describe itself", ""),
    "region": ("VFIO_DEVICE_GET_REGION_INFO", errno.EINVAL, "the configuration space of .* is not described", ""),
    "mapping": ("mmap", errno.EPERM, r"BAR 0 of 0000:01:00.0 \(0x400000 bytes\) cannot be mapped", ""),
}
"""The call that fails, its error, the message, and the way out."""


@pytest.mark.parametrize("what", STEPS)
def test_a_step_that_fails(kernel: Kernel, pci: Path, what: str) -> None:
    call, number, message, help = STEPS[what]
    kernel.refuse[call] = number
    with pytest.raises(errors.CannotOpen, match=message) as raised:
        open_vfio(ADDRESS, pci)
    assert help in str(raised.value)
    assert not kernel.files
    kernel.refuse.clear()
    works(kernel, pci, "dense-levels")


def test_a_group_that_is_not_viable(kernel: Kernel, pci: Path) -> None:
    kernel.viable = False
    with pytest.raises(errors.CannotOpen, match="group 17 is not viable"):
        open_vfio(ADDRESS, pci)


@pytest.mark.parametrize(
    ("request_name", "answer", "message"),
    [
        ("VFIO_GET_API_VERSION", 1, "speaks version 1 of VFIO, akc speaks 0"),
        ("VFIO_CHECK_EXTENSION", 0, "the kernel has no IOMMU that VFIO can use"),
    ],
)
def test_a_kernel_that_lacks_something(kernel: Kernel, pci: Path, request_name: str, answer: int, message: str) -> None:
    kernel.answers[request_name] = answer
    with pytest.raises(errors.CannotOpen, match=message):
        open_vfio(ADDRESS, pci)


def test_a_device_that_is_not_pci(kernel: Kernel, pci: Path) -> None:
    kernel.device_flags = 0b101
    with pytest.raises(errors.CannotOpen, match=r"no PCI device for VFIO: flags 0x5, 9 regions"):
        open_vfio(ADDRESS, pci)


@pytest.mark.parametrize(
    ("region", "size", "message"),
    [
        (0, 0, "BAR 0 of 0000:01:00.0 is not there"),
        (0, 0x10000, "BAR 0 has 0x10000 bytes, at least 0x78000 are needed"),
        (4, 0x1000, "BAR 4 has 0x1000 bytes, at least 0x100000 are needed"),
        (7, 256, "has 256 bytes, the address translation lies beyond"),
    ],
)
def test_regions_of_the_wrong_size(kernel: Kernel, pci: Path, region: int, size: int, message: str) -> None:
    kernel.sizes[region] = size
    with pytest.raises(errors.CannotOpen, match=message):
        open_vfio(ADDRESS, pci)


def test_another_card_is_left_alone(kernel: Kernel, pci: Path) -> None:
    kernel.card.identity = 0x1D0110DE
    with pytest.raises(errors.WrongIdentification, match=r"0000:01:00\.0 is 10de:1d01, an AKD1000 is 1e7c:bca1"):
        open_vfio(ADDRESS, pci)
    assert "pwrite" not in kernel.calls


def test_a_kernel_that_keeps_the_translation_to_itself(kernel: Kernel, pci: Path) -> None:
    kernel.card.translates = False
    with pytest.raises(errors.CannotOpen, match="configuration word 0x900 reads 0x00000000"):
        open_vfio(ADDRESS, pci)


@pytest.mark.parametrize(("answer", "read"), [(0, "0x00000000"), (0xFFFFFFFF, "0xffffffff")])
def test_a_translation_that_has_no_effect(
    kernel: Kernel, pci: Path, monkeypatch: pytest.MonkeyPatch, answer: int, read: str
) -> None:
    """Plain memory in place of registers, or nothing at all."""
    monkeypatch.setattr(type(kernel.card), "load", lambda self, bar, offset: answer)
    with pytest.raises(errors.WrongIdentification, match=f"ring indices read {read} after a soft reset"):
        open_vfio(ADDRESS, pci)


@pytest.mark.parametrize("accesses", [10, 300, 700, 1000, 1500, 2000])
def test_a_card_that_vanishes(kernel: Kernel, pci: Path, accesses: int) -> None:
    built = networks()["dense-levels"]
    with Device(open_vfio(ADDRESS, pci), AKD1000) as device:
        kernel.card.gone_after = kernel.card.accesses + accesses
        with pytest.raises(errors.DeviceGone, match="does not answer any more"):
            for _ in range(20):
                device.program(built.program)
                device.forward(built.inputs)
        with pytest.raises(errors.WrongState, match="the device is gone"):
            device.program(built.program)


def test_configuration_space_that_cannot_be_read(kernel: Kernel, pci: Path) -> None:
    kernel.refuse["pread"] = errno.EIO
    with pytest.raises(errors.DeviceGone, match="cannot be read at 0x0"):
        open_vfio(ADDRESS, pci)
    kernel.refuse = {"pwrite": errno.EIO}
    with pytest.raises(errors.DeviceGone, match="cannot be written at 0x4"):
        open_vfio(ADDRESS, pci)
    kernel.refuse = {}
    kernel.short = 1
    with pytest.raises(errors.ShortTransfer, match="the card gave 1 of 4 bytes at 0x0"):
        open_vfio(ADDRESS, pci)


def test_a_second_user_of_the_card(kernel: Kernel, pci: Path) -> None:
    bus = open_vfio(ADDRESS, pci)
    with pytest.raises(errors.DeviceBusy, match="in use by process"):
        open_vfio(ADDRESS, pci)
    bus.close()
    bus.close()
    open_vfio(ADDRESS, pci).close()


def test_words_at_the_edges_of_a_mapped_window(kernel: Kernel, pci: Path) -> None:
    bus = open_vfio(ADDRESS, pci)
    start = bus.scratch_base
    bus.write(start, bytes(range(16)))
    for offset, data in ((1, b"ab"), (3, b"cdefg"), (8, b"hi"), (15, b"j")):
        bus.write(start + offset, data)
    assert bus.read(start, 16) == b"\0abcdefghi" + bytes(range(10, 15)) + b"j"
    assert bus.read(start + 5, 3) == b"efg"
    bus.close()


def test_what_the_kernel_checks_is_what_is_sent() -> None:
    """Sizes that the requests carry in their first word."""
    assert (GROUP_STATUS.size, DEVICE_INFO.size, REGION_INFO.size) == (8, 16, 32)
    assert struct.calcsize("@IIIIQQ") == REGION_INFO.size, "no padding on this machine"
