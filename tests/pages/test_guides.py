# SPDX-License-Identifier: Apache-2.0
"""What the guides for those who extend akc say works, in a copy of the tree, touching only what they name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = sorted(path.stem for path in (ROOT / "docs").glob("writing-a-*.md") if "```python run" in path.read_text())


def installed_copy(folder: Path) -> Path:
    """The packages as an installation lays them out; a folder to put in front of the path."""
    shutil.copytree(ROOT / "akc", folder / "akc", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("passes", "targets", "grammar"):
        shutil.copytree(ROOT / name, folder / "akc" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def blocks(guide: str) -> list[tuple[str, str]]:
    """(heading behind ```python, code) of each block that is to be applied or run."""
    text = (ROOT / "docs" / f"{guide}.md").read_text()
    return re.findall(r"^```python (file=\S+|run)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", GUIDES)
def test_guide(guide: str, tmp_path: Path) -> None:
    copy = installed_copy(tmp_path / "copy")
    applied, ran = 0, 0
    for head, code in blocks(guide):
        if head == "run":
            environment = {**os.environ, "PYTHONPATH": str(copy)}
            here = f"import akc; assert akc.__file__.startswith({str(copy)!r})\n"
            done = subprocess.run(
                [sys.executable, "-c", here + code], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            ran += 1
        else:
            name = head.removeprefix("file=")
            target = copy / (name if "/" not in name or name.startswith("akc/") else f"akc/{name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            before = target.read_text() if target.exists() else ""
            target.write_text(f"{before}\n\n{code}" if before else code)
            applied += 1
    assert applied and ran


def test_there_are_guides() -> None:
    kinds = ("neuron", "limit", "diagnostic", "target", "frontend")
    assert {f"writing-a-{kind}" for kind in kinds} <= set(GUIDES)
