# SPDX-License-Identifier: Apache-2.0
"""What notebooks show of each kind of object, and bars in cells and on terminals."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import akc
from akc.base import progress
from akc.base.diagnostics import DiagnosticWarning, error
from akc.cli import session
from akc.html.report import Report
from akc.ir.parser import parse
from tests.html.checked import Checked
from tests.html.networks import dense


@cache
def _report() -> Report:
    lowered, source, samples = dense()
    return akc.report(akc.build(lowered), inputs=samples, against=source)


def _fault() -> akc.DiagnosticError:
    with pytest.raises(akc.DiagnosticError) as caught:
        parse("akir 1.0\n\nnet @n(%x: f32[4]) -> f32[4] {\n  return %y\n}\n", "net.akir")
    return caught.value


def _compared() -> Any:
    lowered, source, samples = dense()
    return akc.compare(lowered, source, samples)


SHOWN: dict[str, tuple[Callable[[], Any], str]] = {
    "a module": (lambda: dense()[0], "akida.fully_connected"),
    "a float module": (lambda: dense()[1], "mappable"),
    "a program": (lambda: _report().program, "multiply-adds"),
    "a report": (_report, "synaptic operations"),
    "a comparison": (_compared, "same answer as the source"),
    "activity": (lambda: _report().activity, "levels used"),
    "an error": (_fault, "net.akir:4:"),
    "a diagnostic": (lambda: _fault().diagnostics[0], "error AKC"),
    "a fault without a place": (lambda: error("AKC0901", "no <file>", help="look & see"), "help: look & see"),
    "a warning": (lambda: DiagnosticWarning(_fault().diagnostics[0]), "AKC"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_shown_as_html_and_as_text(name: str) -> None:
    make, words = SHOWN[name]
    thing = make()
    page = Checked(thing._repr_html_())
    assert page.faults == [] and words in page.text and not page.all("script")
    assert repr(thing)


def test_two_cells_do_not_share_ids() -> None:
    report = _report()
    first, second = (set(Checked(report._repr_html_()).ids) for _ in range(2))
    assert first and not first & second


def test_a_cell_that_fails_tells_the_fault_and_no_traceback() -> None:
    lines = _fault()._render_traceback_()
    assert lines[0].startswith("error[AKC") and not any("Traceback" in line for line in lines)


# -- bars ------------------------------------------------------------------------------------------


class Cell:
    """What a notebook was given to show, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[str] = []
        ipython = SimpleNamespace(
            get_ipython=lambda: SimpleNamespace(kernel=object()), display=SimpleNamespace(display=self.display)
        )
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setattr(progress, "PATIENCE", 0.0)

    def display(self, data: dict[str, str], **given: Any) -> Any:
        """As IPython.display.display with display_id=True."""
        self.shown.append(data["text/html"])
        return SimpleNamespace(update=lambda data, raw: self.shown.append(data["text/html"]))


def test_a_call_from_a_notebook_has_a_bar_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(monkeypatch)
    _, source, samples = dense()
    akc.lower(source, calibrate=samples)
    assert any('<progress max="' in html and "pass lower-int4" in html for html in cell.shown)
    assert cell.shown[-1] == ""


def test_a_report_from_a_notebook_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(monkeypatch)
    lowered, source, samples = dense()
    akc.report(lowered, inputs=samples, against=source)
    assert any("pass place" in html for html in cell.shown) and cell.shown[-1] == ""


def test_runs_from_a_notebook_have_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered, _, samples = dense()
    program, images = akc.build(lowered), samples["input"]
    cell = Cell(monkeypatch)
    simulated = program.run(images)
    assert any('<progress max="' in html and "simulating" in html for html in cell.shown) and cell.shown[-1] == ""
    with akc.open_device("emulator") as device:
        device.program(program)
        cell.shown.clear()
        assert np.array_equal(device.predict(images), simulated)
        assert any("on the device" in html for html in cell.shown) and cell.shown[-1] == ""


def test_a_script_has_no_bar_and_a_short_call_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not progress.in_notebook()
    cell = Cell(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 3600.0)
    _, source, samples = dense()
    akc.compare(dense()[0], source, samples)
    assert cell.shown == []


class Terminal(io.StringIO):
    """stderr that is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("patience", "drawn"), [(0.0, True), (3600.0, False)])
def test_a_bar_on_a_terminal(patience: float, drawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(session, "PATIENCE", patience)
    monkeypatch.setenv("TERM", "xterm")
    bar = session.progress_bar()
    bar(1, 4, "pass place")
    bar(4, 4, "passes")
    assert ("━" in terminal.getvalue()) is drawn
