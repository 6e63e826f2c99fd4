# SPDX-License-Identifier: Apache-2.0
"""Versions agree, fragments are gathered, extras say what they are for."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import akc

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)["project"]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "release" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_stands_once() -> None:
    assert akc.__version__ == PROJECT["version"]
    assert f"\n## {akc.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_fragments_are_gathered_by_area() -> None:
    gathered = tool("gather").gathered
    page = "# Changelog\n\nWords.\n\n## 0.1.0\n\nThe first.\n"
    once = gathered(page, "0.2.0", {"sim-fast": "Faster,\nmuch.\n", "cli-x": "New.\n"})
    assert once == (
        "# Changelog\n\nWords.\n\n## 0.2.0\n\n- **cli**: New.\n- **sim**: Faster,\n  much.\n\n## 0.1.0\n\nThe first.\n"
    )
    assert gathered(once, "0.2.0", {}) == once
    assert "- **api**: More.\n- **cli**" in gathered(once, "0.2.0", {"api-y": "More."})


def test_extras_say_what_they_are_for() -> None:
    readme = (ROOT / "README.md").read_text()
    for extra in PROJECT["optional-dependencies"]:
        assert f"`'.[{extra}]'`" in readme, extra
        assert re.search(rf"^# .+\n{extra} = \[", TEXT, re.MULTILINE), extra


def test_metadata_is_whole() -> None:
    assert {"Homepage", "Documentation", "Changelog", "Issues"} == set(PROJECT["urls"])
    assert "Topic :: Software Development :: Compilers" in PROJECT["classifiers"]
    assert PROJECT["license"] == "Apache-2.0" and PROJECT["keywords"]
