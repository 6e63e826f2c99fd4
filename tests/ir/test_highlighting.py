# SPDX-License-Identifier: Apache-2.0
"""The editor grammar knows the words that the language has."""

from __future__ import annotations

import json
import re
from pathlib import Path

from akc.ir.ops import DIALECTS
from akc.ir.types import ELEMENT_TYPES

RULES = json.loads((Path(__file__).parents[2] / "grammar" / "akir.tmLanguage.json").read_text())["patterns"]


def _scopes(word: str, line: str) -> set[str]:
    """Scopes of the rules that match exactly this word in the line."""
    return {
        rule["name"]
        for rule in RULES
        for match in re.finditer(rule.get("match", r"(?!)"), line)
        if match.group().strip() == word
    }


def test_every_element_type_is_coloured() -> None:
    for name in ELEMENT_TYPES:
        assert _scopes(name, f"  #w : {name}[3] =") == {"storage.type.akir"}


def test_every_dialect_is_coloured() -> None:
    for name in DIALECTS:
        assert _scopes(f"{name}.some_op", f"  %y = {name}.some_op(%x)") == {"support.function.operation.akir"}


def test_names_and_comments_are_coloured() -> None:
    assert _scopes("%x", "  %x = nn.relu(%y)") == {"variable.other.value.akir"}
    assert _scopes("#fc.weight", "weight=#fc.weight") == {"variable.other.constant.weight.akir"}
    assert _scopes("// why", "// why") == {"comment.line.double-slash.akir"}
