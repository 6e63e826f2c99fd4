# SPDX-License-Identifier: Apache-2.0
"""Frontends of other packages: found by their entry points, proved by what they bring, refused where they are none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.checks.answers import Answers
from akc.compiler.sources import Options, SourceKind
from akc.ir.parser import parse
from tests.cli.runner import akc as call

TEXT = """akir 1.0

net @small(%x: f32[3]) -> f32[2] {
  %y = nn.dense(%x, weight=#w) : f32[2]
  return %y
}

weights {
  #w : f32[2, 3] = splat "0.5"
}
"""


class Live:
    """An object that a frontend reads."""


class Small:
    """What TEXT computes; factor: 1 for the truth."""

    name, readout, at_once = "a small one", None, True

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def one_by_one(self) -> Small:
        return self

    def run(self, inputs: Any, keep: str = "") -> Answers:
        x = next(iter(inputs.values()))
        return Answers(outputs=[self.factor * np.tile(0.5 * x.sum(axis=1, keepdims=True), 2)])


def _read(source: Any, options: Options) -> akc.Module:
    return parse(TEXT)


GOOD = SourceKind(
    suffix=".small",
    what="a small network",
    read=_read,
    options=frozenset({"steps"}),
    takes=lambda source: isinstance(source, Live),
    run=lambda opened, module: Small(1.0),
)
WRONG = SourceKind(suffix=".wrong", what="a wrong network", read=_read, run=lambda opened, module: Small(2.0))
SILENT = SourceKind(suffix=".silent", what="a silent network", read=_read)
BAD: dict[str, Any] = {
    "no record": "a word",
    "akc's own ending": SourceKind(suffix=".onnx", what="mine", read=_read),
    "a tail of akc's ending": SourceKind(suffix=".x.onnx", what="mine", read=_read),
    "no ending": SourceKind(suffix="small", what="mine", read=_read),
    "no function": SourceKind(suffix=".none", what="mine", read="read"),  # type: ignore[arg-type]
}
ONE_BAD: Any = None


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs a package whose entry points are these objects of this file."""

    def install(**objects: str) -> None:
        info = tmp_path / "site" / "a_package-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-package\nVersion: 1.0\n")
        lines = [f"{name} = tests.compiler.test_other_frontends:{one}" for name, one in objects.items()]
        (info / "entry_points.txt").write_text("\n".join(["[akc.frontends]", *lines, ""]))
        monkeypatch.setattr(sys, "path", [*sys.path, str(info.parent)])
        monkeypatch.setitem(sys.modules, "tests.compiler.test_other_frontends", sys.modules[__name__])

    for name in ("n.small", "n.wrong", "n.silent", "n.none"):
        (tmp_path / name).write_text("anything")
    monkeypatch.chdir(tmp_path)
    return install


def test_files_and_objects_are_read_and_proved(package: Any) -> None:
    package(small="GOOD")
    for source in ("n.small", Live()):
        context = akc.Context()
        module = akc.lower(source, input_range=(0.0, 1.0), context=context)
        assert "akida.fully_connected" in akc.print_module(module)
        assert context.checks.imported.startswith("import = a small one on ")
    assert call("lower", "n.small", "--input-range", "0,1").code == 0


def test_a_reader_that_is_wrong_is_caught(package: Any) -> None:
    package(wrong="WRONG")
    with pytest.raises(DiagnosticError, match="AKC0720"):
        akc.lower("n.wrong", input_range=(0.0, 1.0))


def test_what_nothing_runs_is_said_to_be_unchecked(package: Any) -> None:
    package(silent="SILENT")
    context = akc.Context()
    akc.lower("n.silent", input_range=(0.0, 1.0), context=context)
    assert "import unchecked, because the frontend of a silent network brings nothing" in context.checks.imported


def test_options_that_it_does_not_look_at(package: Any) -> None:
    package(silent="SILENT", small="GOOD")
    for name, count in (("n.silent", 1), ("n.small", 0)):
        context = akc.Context()
        akc.lower(name, input_range=(0.0, 1.0), steps=3, context=context)
        assert sum("--steps says nothing" in w.message for w in context.warnings) == count


def test_endings_of_other_packages_are_listed(package: Any) -> None:
    package(silent="SILENT")
    with pytest.raises(DiagnosticError, match=r"AKC0904(.|\n)*\.bin, \.silent"):
        akc.lower("n.none", input_range=(0.0, 1.0))


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_frontend(what: str, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package(bad="ONE_BAD")
    monkeypatch.setattr(sys.modules[__name__], "ONE_BAD", BAD[what])
    result = call("lower", "n.none")
    assert result.code == 1 and "AKC0920" in result.stderr and "docs/writing-a-frontend.md" in result.stderr


def test_two_packages_with_one_ending(package: Any) -> None:
    package(first="SILENT", second="SILENT")
    assert "files that end in .silent are a silent network" in call("lower", "n.none").stderr


def test_a_package_that_fails_leaves_akcs_own_sources_alone(package: Any) -> None:
    package(broken="no_such_object")
    Path("own.akir").write_text(TEXT)
    assert call("check", "own.akir").code == 0
    assert call("lower", "own.akir", "--input-range", "0,1").code == 0
    assert "AKC0920" in call("lower", "n.none").stderr
