# SPDX-License-Identifier: Apache-2.0
"""Codes 02: types and levels."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0201": Code(
        "the type does not agree with what the operation gives",
        "akc computes the type of each result from operands, weights and attributes; the type that is"
        " written must be the same.",
    ),
    "AKC0202": Code(
        "operands or weights do not fit the operation",
        "A shape or an element type of an operand or a weight is not what the operation takes.",
    ),
    "AKC0203": Code(
        "the network is not at the level that this step needs",
        "Levels are imported, mappable, quantised, placed; each step needs one and gives one. The level is"
        " computed from the text. The help line says which pass leads there.",
    ),
    "AKC0204": Code(
        "weights are elided",
        "The file holds digests in place of these weights. Structure passes run on it, but nothing that"
        " needs the numbers.",
    ),
    "AKC0205": Code(
        "act_step is cut to sixteenths",
        "The chip keeps an act_step as a count of sixteenths, rounded down. The written value has more.",
    ),
    "AKC0206": Code(
        "a weight is not used",
        "The weights section holds an entry that no statement names. Passes drop it, fmt keeps it.",
    ),
    "AKC0207": Code(
        "weights are not finite",
        "A weight is nan or infinite. No layer computes with such numbers, and no range holds them.",
    ),
}
"""Codes AKC0200 to AKC0299."""
