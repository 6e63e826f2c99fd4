# SPDX-License-Identifier: Apache-2.0
"""The extension for VS Code agrees with the server, the language and the release; `make editor` builds it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import akc
from akc.lsp.server import COMMANDS
from akc.targets import target_names

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "editors" / "vscode"
SOURCE = (FOLDER / "src" / "extension.js").read_text()


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def test_it_has_the_grammar_of_the_compiler() -> None:
    (grammar,) = load("package.json")["contributes"]["grammars"]
    ours = json.loads((ROOT / "grammar" / "akir.tmLanguage.json").read_text())
    assert grammar["scopeName"] == ours["scopeName"] and Path(grammar["path"]).name == "akir.tmLanguage.json"
    assert '"../../grammar/akir.tmLanguage.json"' in (FOLDER / "build.js").read_text()
    (language,) = load("package.json")["contributes"]["languages"]
    assert [ending[1:] for ending in language["extensions"]] == ours["fileTypes"]


def test_its_commands_are_the_servers() -> None:
    assert set(re.findall(r'ask\("([\w.]+)"\)', SOURCE)) == set(COMMANDS)
    offered = {row["command"]: row["title"] for row in load("package.json")["contributes"]["commands"]}
    assert set(re.findall(r'registerCommand\("([\w.]+)"', SOURCE)) == set(offered)
    assert {"Show report", "Show IR after each pass"} <= set(offered.values())


def test_its_settings_start_the_server_for_a_chip() -> None:
    settings = load("package.json")["contributes"]["configuration"]["properties"]
    assert settings["akc.target"]["default"] in target_names()
    assert settings["akc.command"]["default"] == ["akc", "lsp"]


def test_it_is_of_this_release_and_can_be_installed_again() -> None:
    version, lock = load("package.json")["version"], load("package-lock.json")
    assert version == akc.__version__ == lock["version"]
    assert f"akir-{version}.vsix" in (FOLDER / "README.md").read_text()
    assert all("integrity" in row for name, row in lock["packages"].items() if name)


def test_a_word_is_a_name_with_its_sign() -> None:
    pattern = re.compile(load("language-configuration.json")["wordPattern"])
    assert pattern.findall("%x = akida.fully_connected(#w.a, @net)") == ["%x", "akida.fully_connected", "#w.a", "@net"]
