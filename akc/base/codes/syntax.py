# SPDX-License-Identifier: Apache-2.0
"""Codes 00: syntax."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0001": Code(
        "this is not .akir syntax",
        "The parser met something that the grammar does not allow here. The caret stands at the first"
        " character it could not use; the label says what may stand there.",
    ),
    "AKC0002": Code(
        "a weight payload cannot be read",
        "The numbers between the quotes do not fit the type in front of them: a digit that is no legal"
        " value of the type, too few or too many values, or a row of the wrong length.",
    ),
    "AKC0003": Code(
        "this version of the text is not known",
        "The first line of a file names the version of the language, such as `akir 1.0`. This akc reads"
        " the versions that it lists and no others.",
    ),
}
"""Codes AKC0000 to AKC0099."""
