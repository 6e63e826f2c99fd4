# SPDX-License-Identifier: Apache-2.0
"""Every verb with its streams closed, full or unread, and stopped from outside: the user's message, never a bug."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from akc.base import files, stopping
from tests.cli.processes import VERBS, Forking, Outcome, make_folder, missing_verbs
from tests.cli.runner import akc

STREAMS: dict[str, dict[str, str]] = {
    "usual": {},
    "full stdout": {"stdout": "/dev/full"},
    "closed stdout": {"stdout": "closed"},
    "unread stdout": {"stdout": "broken"},
    "closed stderr": {"stderr": "closed"},
    "full stderr": {"stderr": "/dev/full"},
    "unread stderr": {"stderr": "broken"},
    "closed stdin": {"stdin": "closed"},
}
TIMED = ("bench",)
"""Verbs whose product tells a time."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("streams"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Forking]:
    """The process that runs commands."""
    with Forking(folder) as running:
        yield running


@pytest.fixture
def found(server: Forking, verb: str) -> dict[str, Outcome]:
    """A verb under every condition."""
    cases = [{"argv": VERBS[verb].split(), **stream} for stream in STREAMS.values()]
    return dict(zip(STREAMS, server.outcomes(cases), strict=True))


def test_every_verb_has_a_row() -> None:
    assert missing_verbs() == set(), "tests/cli/processes.py needs a command for each verb"


@pytest.mark.parametrize("verb", VERBS)
def test_verb(verb: str, found: dict[str, Outcome], folder: Path) -> None:
    usual = found["usual"]
    assert usual.code == 0, usual.stderr
    for stream in STREAMS:
        outcome = found[stream]
        assert "Traceback" not in outcome.stderr and "bug of akc" not in outcome.stderr, stream
        if stream in ("full stdout", "closed stdout") and usual.stdout:
            assert outcome.code == 1 and "AKC0903]: <stdout>" in outcome.stderr, stream
        else:
            assert outcome.code == 0, (stream, outcome.stderr)
        if STREAMS[stream].get("stdout") is None and verb not in TIMED:
            assert outcome.stdout == usual.stdout, f"messages stand in the product: {stream}"
    assert not [p for p in folder.iterdir() if p.name.startswith((".akc", "akc-crash"))], "nothing is left behind"


@pytest.mark.parametrize("verb", [verb for verb, command in VERBS.items() if " net" in command or " float" in command])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_stop_while_reading(verb: str, number: int, folder: Path, server: Forking) -> None:
    """The first file of the command is a pipe; the signal comes when akc waits for what is in it."""
    words = VERBS[verb].split()
    at = next(n for n, word in enumerate(words) if word.startswith(("net.", "float.")))
    fifo = folder / f"{verb}-{number}-{words[at]}"
    os.mkfifo(fifo)
    words[at] = fifo.name
    (outcome,) = server.outcomes([{"argv": words, "signal": int(number), "fifo": str(fifo)}])
    assert outcome.code == 128 + number
    assert outcome.stderr == ("interrupted\n" if number == signal.SIGINT else "terminated\n")


HELD = """
import sys, time
class Hold:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            print("here", flush=True)
            while True:
                time.sleep(0.01)
sys.meta_path.insert(0, Hold())
sys.argv = ["akc", "check", "-"]
from akc.cli.entry import main
main()
"""


@pytest.mark.parametrize("name", ["click", "akc.cli.streams", "akc.cli.text_verbs", "lark"])
def test_ctrl_c_while_importing(name: str) -> None:
    command = [sys.executable, "-c", HELD.format(name=name)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read()) == (130, b"interrupted\n")


def test_a_device_is_brought_to_rest_first() -> None:
    """Inside `unwinding` a stop is an exception, once; outside of it, and the second time, things are undone."""
    undone: list[str] = []
    with stopping.when_stopped(lambda: undone.append("file")):
        with pytest.raises(stopping.Stopped) as caught, stopping.unwinding():
            stopping.stop(130)
        assert caught.value.code == 130 and not undone
        with stopping.unwinding():
            stopping.stop(130)
        assert undone == ["file"]
    stopping.undo_all()
    assert undone == ["file"]


@pytest.fixture(autouse=True)
def _fresh_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping._Unwinding, "stopped", False)


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["check -", "fmt -", "lower -", "build - -o -", "disasm -"])
def test_stdin_that_is_closed(verb: str, server: Forking) -> None:
    (outcome,) = server.outcomes([{"argv": verb.split(), "stdin": "closed"}])
    assert outcome.code == 1 and "AKC0901]: <stdin> is closed" in outcome.stderr and not outcome.stdout


@pytest.mark.parametrize("command", ["check /dev/zero", "run net.akd -i /dev/zero", "disasm /dev/zero"])
def test_a_device_without_an_end(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_STREAM", 1 << 16)
    outcome = akc(*command.split(), folder=folder)
    assert outcome.code == 1 and "AKC0917]: /dev/zero" in outcome.stderr


# -- what runs out ---------------------------------------------------------------------------------


def _raising(fault: BaseException) -> Any:
    def raises(*args: Any, **kwargs: Any) -> Any:
        raise fault

    return raises


@pytest.mark.parametrize("fault", [MemoryError(), OSError(24, "Too many open files"), OSError(28, "No space left")])
def test_a_machine_that_runs_out(fault: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from akc.cli import text_verbs

    monkeypatch.setattr(text_verbs, "verify_numbers", _raising(fault))
    outcome = akc("check", "net.akir", folder=folder)
    assert outcome.code == 1 and "AKC0918]" in outcome.stderr


def test_a_bug_where_no_crash_file_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from akc.cli import session, text_verbs

    monkeypatch.setattr(text_verbs, "verify_numbers", _raising(RuntimeError("here")))
    monkeypatch.setattr(session.tempfile, "mkstemp", _raising(OSError(28, "No space left")))
    outcome = akc("check", "net.akir", folder=folder)
    assert outcome.code == 3 and "RuntimeError: here" in outcome.stderr and "no crash file" in outcome.stderr
