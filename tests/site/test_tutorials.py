# SPDX-License-Identifier: Apache-2.0
"""The first page and the tutorials, from top to bottom in one folder each, as a reader goes through them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import akc as api
from akc.targets.akida1.driver import bus_vfio
from examples import first_steps
from tests.cli.runner import akc
from tests.targets.akida1.driver.fake_kernel import Kernel, install, sysfs
from tests.targets.akida1.driver.networks import networks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "start.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
BLOCK = re.compile(r'^```(python|console)(?: title="([\w.]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


def run(command: list[str], folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_is_gone_through(page: Path, tmp_path: Path) -> None:
    if "first_steps.py" in page.read_text():
        first_steps.write(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    blocks = BLOCK.findall(page.read_text())
    assert blocks
    for number, (language, title, code) in enumerate(blocks):
        if language == "console":
            for line in code.splitlines():
                if line.startswith("$ "):
                    run(["bash", "-c", line[2:]], tmp_path)
        elif title:
            (tmp_path / title).write_text(code)
        else:
            (tmp_path / f"block{number}.py").write_text(code)
            run([sys.executable, f"block{number}.py"], tmp_path)


CARD = re.findall(r"^akc .*$", (ROOT / "docs" / "tutorials" / "card.md").read_text(), re.MULTILINE)


def test_commands_for_a_card_run_on_a_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    install(Kernel(), monkeypatch, tmp_path)
    monkeypatch.setattr(bus_vfio, "open_vfio", partial(bus_vfio.open_vfio, pci=sysfs(tmp_path)))
    built = networks()["learning"]
    built.program.save(here / "net.akd")
    np.save(here / "x.npy", built.inputs)
    assert len(CARD) == 6
    for line in CARD:
        outcome = akc(*shlex.split(line)[1:], folder=here)
        assert outcome.code == 0, f"{line}\n{outcome.stderr}"


def test_the_api_page_has_every_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    shown = re.findall(r"^::: ([\w.]+)\.(\w+)$", page, re.MULTILINE)
    assert sorted(name for _, name in shown) == sorted(api.__all__)
    assert {name: home for home, name in shown} == api._HOMES
