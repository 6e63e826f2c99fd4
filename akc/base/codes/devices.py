# SPDX-License-Identifier: Apache-2.0
"""Codes 08: devices."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0801": Code(
        "the device cannot be opened",
        "There is no such device, its driver is missing, or this user may not open it. `akc devices` lists what"
        " there is and what to do.",
    ),
    "AKC0802": Code("the device is in use", "One process drives a device at a time; a lock file says which one."),
    "AKC0803": Code(
        "the device did not answer in time",
        "A transfer or an output did not come. The device was reset and holds no program any more.",
    ),
    "AKC0804": Code(
        "the device is gone",
        "An access failed as it does when a card loses its link or its kernel module is unloaded. Open it again.",
    ),
    "AKC0805": Code(
        "a transfer was cut short",
        "Fewer bytes came or went than asked for. The device was reset and holds no program any more.",
    ),
    "AKC0806": Code(
        "this is no device that akc drives",
        "The identification register holds another vendor, product or version than an AKD1000's.",
    ),
    "AKC0807": Code(
        "the program is not for this device",
        "Its device version, or something that it asks for, belongs to another chip. Nothing was written.",
    ),
    "AKC0808": Code(
        "the device gave an impossible output",
        "More words than the buffer holds, or coordinates outside of the output. The device was reset.",
    ),
    "AKC0809": Code(
        "an input does not fit the program",
        "Shape, element type or values are not what the program takes. The device was not touched.",
    ),
    "AKC0810": Code(
        "the device is not in a state for this call",
        "Such as an input before a program, or another batch size while inputs wait. The device was not touched.",
    ),
    "AKC0811": Code("the device's working memory is too small", "Rings, tracks, inputs and outputs must fit it."),
    "AKC0812": Code(
        "the device and the simulator differ",
        "`akc verify` compares the integers of each sequence; the message names the first layer and place.",
    ),
    "AKC0820": Code("the emulated chip cannot do this", "The emulator refuses what the chip's registers cannot mean."),
    "AKC0821": Code(
        "there is no such register",
        "An access to the emulated chip at an address that no row of the register table describes.",
    ),
    "AKC0822": Code(
        "a DMA descriptor or header cannot be",
        "The emulated chip met a descriptor, a ring or a transfer header with fields that contradict each other.",
    ),
    "AKC0823": Code(
        "a neural processor is programmed twice",
        "A second register block, or a block that overlaps an earlier one, came without a mesh reset between.",
    ),
    "AKC0824": Code(
        "registers of the mesh contradict each other",
        "Sizes, shares, layer numbers or columns of the neural processors do not make a network.",
    ),
    "AKC0825": Code(
        "an input event does not fit",
        "The emulated chip got an event outside of the first layer's input, or of another format.",
    ),
}
"""Codes AKC0800 to AKC0899."""
