# SPDX-License-Identifier: Apache-2.0
"""Codes 06: building and containers."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0601": Code("this is no .akd file", "A .akd file is the zip that `akc build` writes, with meta.json inside."),
    "AKC0602": Code("the .akd file has a newer format", "It was written by a later akc."),
    "AKC0603": Code(
        "the .akd file is damaged",
        "The digest of a member differs from the one in meta.json: the file was cut, or changed by hand.",
    ),
    "AKC0604": Code(
        "one hardware sequence is needed",
        "A bare program holds one sequence. A network with several is run from its .akd file.",
    ),
    "AKC0605": Code(
        "the layout of programs for an engine is not known",
        "A program names the version of the vendor's engine that it is for, and an engine takes no other one."
        " Programs of older engines hold other fields. akc writes and reads the layouts that were compared byte for"
        " byte with programs of the engine's own SDK, and refuses the others.",
    ),
    "AKC0610": Code(
        "a program is damaged",
        "A program is two FlatBuffers, program_info and program_data. An offset, a count or a length in it"
        " does not hold; the message names the byte.",
    ),
    "AKC0611": Code(
        "a program is not one for the AKD1000",
        "The container can be read, but it asks for things that this chip does not have, or its tracks"
        " hold blocks of a kind that no AKD1000 program has.",
    ),
    "AKC0612": Code(
        "a number does not fit its register",
        "Every field of a register has a width (docs/akd1000/registers.md). A layer whose numbers are"
        " within the limits of docs/supported.md always fits.",
    ),
    "AKC0613": Code(
        "a network is not ready to be assembled",
        "The assembler takes sequences of akida layers in a chain, each with all its places. `akc opt -p place`"
        " fills in what is missing.",
    ),
    "AKC0614": Code(
        "no network gives this program",
        "The program can be read and printed, but no network that akc knows assembles to these bytes: a field"
        " has a value that no layer has. `akc disasm` shows every field.",
    ),
    "AKC0640": Code(
        "the network cannot be written as .fbz",
        "The vendor's model file holds one chain of Akida 1.0 layers, an input first. What runs on the host is not"
        " in it, apart from the border at both ends, which is left out.",
    ),
    "AKC0641": Code(
        "an operation has no form in an integer ONNX model",
        "`akc export --onnx` writes chip layers, border operations and most float layers as standard ONNX operators."
        " Neurons with a state and a few functions of the host have no such form here.",
    ),
}
"""Codes AKC0600 to AKC0699."""
