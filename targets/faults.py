# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a program and a chip of any target; each fault is a diagnostic with a code of its own."""

from __future__ import annotations

from akc.base.diagnostics import Diagnostic, DiagnosticError


class DeviceError(DiagnosticError):
    """A fault of the device or of its use. After it the device is unprogrammed or, if `lost`, gone."""

    code = "AKC0801"
    lost = False

    def __init__(self, message: str, *help: str, label: str = "") -> None:
        super().__init__(Diagnostic(code=self.code, message=message, help=help, label=label))


class CannotOpen(DeviceError):
    """No such device, or no right to open it."""

    code = "AKC0801"


class DeviceBusy(DeviceError):
    """Another process drives this device."""

    code = "AKC0802"


class TimedOut(DeviceError):
    """The device did not answer in time."""

    code = "AKC0803"


class DeviceGone(DeviceError):
    """An access failed in a way that means the device is no longer there."""

    code = "AKC0804"
    lost = True


class ShortTransfer(DeviceError):
    """Fewer bytes were read or written than asked for."""

    code = "AKC0805"


class WrongIdentification(DeviceError):
    """The identification register holds no device that akc drives."""

    code = "AKC0806"


class WrongProgram(DeviceError):
    """The program is for another device or uses what this driver does not do."""

    code = "AKC0807"


class SeveralPasses(WrongProgram):
    """The program has several passes, and what should run it takes one."""


class BadOutput(DeviceError):
    """What the device wrote cannot be an output of the program."""

    code = "AKC0808"


class BadInput(DeviceError):
    """An input has a shape, type or value that the program does not take; the device is untouched."""

    code = "AKC0809"


class WrongState(DeviceError):
    """The call does not fit what the device is doing; the device is untouched."""

    code = "AKC0810"


class OutOfMemory(DeviceError):
    """The device's working memory is too small."""

    code = "AKC0811"


class ChipFault(DeviceError):
    """The emulator was asked for what the chip could not do."""

    code = "AKC0820"


class UnknownRegister(ChipFault):
    """A register that no row describes, or a read-only one."""

    code = "AKC0821"


class BadDescriptor(ChipFault):
    """A DMA descriptor or a transfer header that cannot be."""

    code = "AKC0822"


class ProgrammedTwice(ChipFault):
    """A neural processor got a second configuration without a reset between."""

    code = "AKC0823"


class BadGeometry(ChipFault):
    """Registers of the processors that contradict each other or their memories."""

    code = "AKC0824"


class BadEvent(ChipFault):
    """An input event that does not fit the first layer."""

    code = "AKC0825"
