# SPDX-License-Identifier: Apache-2.0
"""Whole runs over /dev/akidaN with a node of our own: the module's rules, and all that can happen in the middle."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import akc
from akc.devices.opening import open_device
from akc.devices.verification import verify
from akc.targets import faults as errors
from tests.targets.akida1.driver.fake_kernel import Kernel, install
from tests.targets.akida1.driver.networks import networks

NODE = "/dev/akida0"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel()
    install(kernel, monkeypatch, tmp_path)
    yield kernel
    assert not kernel.files, "the node is closed again"


@pytest.mark.parametrize("name", networks())
def test_networks_over_the_node(kernel: Kernel, name: str) -> None:
    """Transfers of whole words, away from the endpoint's own memory: the node refuses all others."""
    built = networks()[name]
    with akc.open_device(NODE) as device:
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)
        assert verify(device, built.program, built.inputs).equal
    assert kernel.transfers
    assert all(position >= 0x24000000 for position, _ in kernel.transfers)


def test_the_node_is_opened_once_and_mapped_once(kernel: Kernel) -> None:
    with open_device(NODE):
        assert kernel.calls == [f"open {NODE}", "mmap"]


@pytest.mark.parametrize(
    ("call", "number", "help"),
    [
        (f"open {NODE}", errno.EACCES, f"sudo chmod 666 {NODE}"),
        (f"open {NODE}", errno.ENOENT, "dmesg"),
        (f"open {NODE}", errno.EBUSY, "another program holds the device"),
        ("mmap", errno.EINVAL, ""),
    ],
)
def test_a_node_that_cannot_be_opened(kernel: Kernel, call: str, number: int, help: str) -> None:
    kernel.refuse[call] = number
    with pytest.raises(errors.CannotOpen, match=f"{NODE} cannot be opened") as raised:
        open_device(NODE)
    assert help in str(raised.value)
    kernel.refuse.clear()
    open_device(NODE).close()


@pytest.mark.parametrize("accesses", range(1, 260, 17))
def test_a_card_that_vanishes(kernel: Kernel, accesses: int) -> None:
    """Registers read all ones, transfers end with ENODEV: the same named fault, and nothing more is asked of it."""
    built = networks()["image-conv-dense"]
    with open_device(NODE) as device:
        kernel.card.gone_after = kernel.card.accesses + accesses
        with pytest.raises(errors.DeviceGone, match="AKC0804"):
            for _ in range(3):
                device.program(built.program)
                device.forward(built.inputs)
        assert not device.programmed
        with pytest.raises(errors.WrongState, match="the device is gone"):
            device.forward(built.inputs)
    kernel.card.present, kernel.card.gone_after = True, None
    with open_device(NODE) as device:
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


@pytest.mark.parametrize(
    ("call", "number", "fault"),
    [
        ("pread", errno.ETIMEDOUT, errors.TimedOut),
        ("pwrite", errno.ETIMEDOUT, errors.TimedOut),
        ("pread", errno.EINVAL, errors.ShortTransfer),
        ("pwrite", errno.EFAULT, errors.ShortTransfer),
    ],
)
def test_a_transfer_that_fails(kernel: Kernel, call: str, number: int, fault: type[errors.DeviceError]) -> None:
    """The device is reset and can be programmed again."""
    built = networks()["conv-levels"]
    with open_device(NODE) as device:
        device.program(built.program)
        kernel.refuse[call] = number
        with pytest.raises(fault, match=f"of {NODE}"):
            device.forward(built.inputs)
        assert not device.programmed
        with pytest.raises(errors.WrongState, match="a fault or Ctrl-C unprograms it"):
            device.forward(built.inputs)
        kernel.refuse.clear()
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


@pytest.mark.parametrize("name", ["conv-levels", "dense-external-weights", "image-alone"])
def test_short_transfers(kernel: Kernel, name: str) -> None:
    built = networks()[name]
    with open_device(NODE) as device:
        device.program(built.program)
        kernel.short = 4
        with pytest.raises(errors.ShortTransfer, match=r"(gave|took) 4 of \d+ bytes"):
            device.forward(built.inputs)
        kernel.short = None
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


def test_a_card_behind_another_identification(kernel: Kernel) -> None:
    kernel.card.chip.chip.identification = 0xBCA10306
    with pytest.raises(errors.WrongIdentification, match="identifies itself as 0xbca10306"):
        open_device(NODE)


def test_a_second_user_of_the_node(kernel: Kernel) -> None:
    with open_device(NODE), pytest.raises(errors.DeviceBusy, match=f"{NODE} is in use by process"):
        open_device(NODE)
    open_device(NODE).close()
