# SPDX-License-Identifier: Apache-2.0
"""Codes 01: names and structure."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0101": Code(
        "there is no such operation",
        "The name before the bracket is no operation of the language. docs/ops.md lists them all.",
    ),
    "AKC0102": Code(
        "a value is used before it is defined",
        "Every %name must be an input of the net or the result of a statement further up."
        " Only host.previous may look at a value defined below it.",
    ),
    "AKC0103": Code(
        "there is no such weight",
        "Every #name in a statement needs an entry in the weights section at the end of the file.",
    ),
    "AKC0104": Code(
        "a name is defined twice",
        "Values, weights, sequences and inputs each have one definition.",
    ),
    "AKC0105": Code(
        "there is no such attribute",
        "The operation does not take this attribute. docs/ops.md lists the attributes of each.",
    ),
    "AKC0106": Code(
        "an attribute or operand is missing",
        "The operation needs it; see docs/ops.md.",
    ),
    "AKC0107": Code(
        "an attribute has a value that it cannot take",
        "The value has the wrong form, is out of range, or is none of the words allowed here.",
    ),
    "AKC0108": Code(
        "this statement may not stand here",
        "Sequences hold akida layers and nothing else, and are not nested.",
    ),
}
"""Codes AKC0100 to AKC0199."""
