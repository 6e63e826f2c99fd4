# SPDX-License-Identifier: Apache-2.0
"""Pipelines: strings with caret errors, levels, dumps, timings, and a crash file that re-runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import DiagnosticError, error
from akc.compiler.pipeline import Context, PassCrash, describe, parse_pipeline, run_pipeline
from akc.ir.module import Module, Op
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.passes.shared.contract import Pass, PassContext
from tests.cli.runner import akc as run_akc

TEXT = """\
akir 1.0

net @n(%x: f32[2]) -> f32[2] {
  %y = nn.relu(%x) : f32[2] from "relu"
  return %y
}
"""


@frozen
class Rename:
    """Gives the relu another origin."""

    name: ClassVar[str] = "rename"
    requires: ClassVar[str | None] = None
    ensures: ClassVar[str | None] = None
    preserves: ClassVar[str] = "values"
    reads: ClassVar[tuple[str, ...]] = ()
    to: str = field(default="other", validator=validators.matches_re("[a-z]+"))
    times: int = 1
    loud: bool = False
    limit: float | None = None

    def run(self, module: Module, context: PassContext) -> Module:
        """Change the origin where it differs."""
        return module.map_ops(self._rename)

    def _rename(self, op: Op) -> Op:
        return op if op.origin == (self.to,) else evolve(op, origin=(self.to,))


@frozen
class Break(Rename):
    """A pass with a bug."""

    name: ClassVar[str] = "break"

    def run(self, module: Module, context: PassContext) -> Module:
        """Divide by nothing."""
        raise ZeroDivisionError("by nothing")


@frozen
class Spoil(Rename):
    """A pass that leaves an invalid module."""

    name: ClassVar[str] = "spoil"

    def run(self, module: Module, context: PassContext) -> Module:
        """Return a value that is not there."""
        return module.with_statements(module.net.statements, outputs=("nowhere",))


KNOWN = {"rename": Rename, "break": Break, "spoil": Spoil}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("renam", "did you mean rename?"),
        ("rename{tu=x}", "did you mean to?"),
        ("rename{times=many}", "times=many: a whole number is needed"),
        ("rename{loud=yes}", "loud=yes: true or false is needed"),
        ("rename{to=UPPER}", "to=UPPER"),
        ("rename,", "expected a name"),
        ("rename{to}", "expected '='"),
    ],
)
def test_faults_in_a_pipeline_string_have_a_caret(text: str, words: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse_pipeline(text, KNOWN)
    assert words in str(caught.value)
    assert "^" in str(caught.value)


def test_every_fault_of_a_pipeline_is_told() -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse_pipeline("nothing,rename{tu=x times=many}", KNOWN)
    assert [d.code for d in caught.value.diagnostics] == ["AKC0402", "AKC0403", "AKC0404"]


def test_options_have_the_types_of_their_fields() -> None:
    (one,) = parse_pipeline("rename{to=abc times=3 loud=true limit=0.5}", KNOWN)
    assert one == Rename(to="abc", times=3, loud=True, limit=0.5)
    assert describe(one) == "rename{to=abc times=3 loud=true limit=0.5}"
    assert parse_pipeline(describe(one), KNOWN) == [one]
    assert parse_pipeline("rename{limit=none}", KNOWN) == [Rename()]


def test_dumps_hold_the_input_and_what_changed(tmp_path: Path) -> None:
    context = Context(dump_dir=tmp_path)
    run_pipeline(parse(TEXT), [Rename(), Rename(), Rename(to="third")], context)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00-input.akir", "01-rename.akir", "03-rename.akir"]
    assert '"third"' in (tmp_path / "03-rename.akir").read_text()
    for path in tmp_path.iterdir():
        assert print_module(parse(path.read_text())) == path.read_text()
    assert [name for name, _ in context.timings] == ["rename"] * 3


def test_a_bug_gives_a_text_that_repeats_it() -> None:
    with pytest.raises(PassCrash) as caught:
        run_pipeline(parse(TEXT), [Rename(), Break(to="abc")], Context())
    first, _, rest = caught.value.reproducer.partition("\n")
    assert first == "// akc opt crash.akir -p 'break{to=abc}'"
    assert '"other"' in rest
    assert print_module(parse(caught.value.reproducer)) == caught.value.reproducer


def test_a_pass_that_leaves_an_invalid_module_is_named() -> None:
    with pytest.raises(PassCrash, match="pass spoil failed"):
        run_pipeline(parse(TEXT), [Spoil()], Context())


def test_a_bug_on_the_command_line_exits_3_with_a_crash_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import akc.passes

    monkeypatch.setitem(akc.passes.PASSES, "break", Break)
    (tmp_path / "net.akir").write_text(TEXT)
    outcome = run_akc("opt", "net.akir", "-p", "break", "-o", "out.akir", folder=tmp_path)
    assert outcome.code == 3
    assert "ZeroDivisionError: by nothing" in outcome.stderr
    crash = next(tmp_path.glob("akc-crash-*.akir"))
    assert crash.name in outcome.stderr
    assert not (tmp_path / "out.akir").exists()
    first = crash.read_text().splitlines()[0]
    assert first == f"// akc opt {crash.name} -p break"
    assert run_akc("opt", crash.name, "-p", "break", folder=tmp_path).code == 3


def test_a_check_sees_every_change() -> None:
    """It is called with the module before, the pass and the module after, and may refuse."""
    seen: list[tuple[str, str, str]] = []

    def check(before: Module, one: Pass, after: Module) -> None:
        seen.append((next(before.net.ops).origin[0], describe(one), next(after.net.ops).origin[0]))
        if len(seen) == 2:
            raise error("AKC0401", "no further")

    passes = [Rename(), Rename(), Rename(to="third"), Rename(to="fourth")]
    with pytest.raises(DiagnosticError, match="no further"):
        run_pipeline(parse(TEXT), passes, Context(check=check))
    assert seen == [("relu", "rename", "other"), ("other", "rename{to=third}", "third")]


def test_a_pass_gets_what_it_reads() -> None:
    context = Context(samples={"x": np.zeros((1, 2))}, host="allow", input_range=(0.0, 1.0))
    nothing, some = context.of_pass(()), context.of_pass(("samples", "host"))
    assert (nothing.samples, nothing.host, nothing.input_range) == (None, "refuse", None)
    assert some.samples is context.samples and some.host == "allow" and some.input_range is None


def test_timings_are_told_with_their_share(tmp_path: Path) -> None:
    """A line for each pass, one for what is beside them; together they are the whole."""
    (tmp_path / "net.akir").write_text(TEXT)
    outcome = run_akc("opt", "net.akir", "-p", "fold-layout,fold-input", "-o", "out.akir", "--timings", folder=tmp_path)
    rows = re.findall(r"^ *([\d.]+) ms +([\d.]+)%  (.*)$", outcome.stderr, re.MULTILINE)
    assert [name for _, _, name in rows] == ["fold-layout", "fold-input", "reading, checking, comparing"]
    assert abs(sum(float(share) for _, share, _ in rows) - 100) < 0.3
