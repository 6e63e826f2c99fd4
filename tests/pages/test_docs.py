# SPDX-License-Identifier: Apache-2.0
"""Generated pages are current, links lead somewhere, and every command in the docs runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.pages.listing import PAGES
from examples import first_steps

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_page_is_current(name: str) -> None:
    now = (ROOT / name).read_text()
    assert PAGES[name](now) == now, "run `python -m akc.pages`"


def test_check_names_the_stale_pages_and_writes_nothing(tmp_path: Path) -> None:
    for name in PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    page = tmp_path / "docs" / "errors.md"
    page.write_text("old")
    command = [sys.executable, "-m", "akc.pages", str(tmp_path)]
    stale = subprocess.run([*command, "--check"], capture_output=True, text=True)
    assert (stale.returncode, page.read_text()) == (1, "old")
    assert stale.stderr == "docs/errors.md is stale: run `python -m akc.pages`\n"
    subprocess.run(command, check=True)
    assert page.read_text() == (ROOT / "docs" / "errors.md").read_text()


@pytest.mark.parametrize("page", DOCS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader_folder(tmp_path: Path) -> Path:
    """What the pages take for granted: an exported MNIST network and normalised digits."""
    first_steps.write(tmp_path)
    return tmp_path


def _with_code(language: str) -> list[Path]:
    """Pages with such blocks; tests/pages/test_tutorials.py goes through the first page and the tutorials."""
    return [
        page for page in DOCS if _blocks(page, language) and page.stem != "start" and page.parent.stem != "tutorials"
    ]


@pytest.mark.parametrize("page", _with_code("console"), ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_run(page: Path, reader_folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for line in "".join(_blocks(page, "console")).splitlines():
        if line.startswith("$ "):
            result = subprocess.run(
                ["bash", "-c", line[2:]],
                cwd=reader_folder,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
            )
            assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", _with_code("python"), ids=lambda p: str(p.relative_to(ROOT)))
def test_python_runs(page: Path, reader_folder: Path) -> None:
    script = reader_folder / "page.py"
    script.write_text("\n".join(_blocks(page, "python")))
    result = subprocess.run([sys.executable, script.name], cwd=reader_folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", _with_code("akir"), ids=lambda p: str(p.relative_to(ROOT)))
def test_texts_are_canonical(page: Path) -> None:
    for text in _blocks(page, "akir"):
        assert print_module(parse(text)) == text
