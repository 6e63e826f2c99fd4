# SPDX-License-Identifier: Apache-2.0
"""docs/editors.md: what it tells editors to start is there, and takes what it is given."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from akc.lsp.server import COMMANDS
from akc.targets import target_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "editors.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def test_helix_gets_a_server_for_the_ending() -> None:
    settings = tomllib.loads(BLOCKS["toml"])
    server = settings["language-server"]["akc"]
    assert [server["command"], *server["args"]] == ["akc", "lsp"] and server["config"]["target"] in target_names()
    (language,) = settings["language"]
    assert language["file-types"] == ["akir"] and language["language-servers"] == ["akc"]


@pytest.mark.parametrize(("language", "command"), [("lua", 'cmd = { "akc", "lsp" }'), ("elisp", '("akc" "lsp"')])
def test_the_others_start_the_same(language: str, command: str) -> None:
    block = BLOCKS[language]
    assert command in block
    assert all(block.count(a) == block.count(b) for a, b in ("()", "{}", "[]"))
    assert any(name in block for name in target_names())


def test_commands_and_files_are_there() -> None:
    assert all(f"`{name}`" in PAGE for name in COMMANDS)
    for name in re.findall(r"`python (?:-m )?([\w./]+)", PAGE):
        path = ROOT / (name if name.endswith(".py") else name.replace(".", "/") + ".py")
        assert path.exists(), name
