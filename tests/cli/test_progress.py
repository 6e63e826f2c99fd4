# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal, held against one that the system made; none in a pipe, none with --quiet."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from akc.cli import session
from akc.cli.main import cli
from tests.cli.processes import make_folder

SHOWN = {
    "lower float.akir --input-range 0,1": "pass ",
    "opt net.akir -p place": "pass place",
    "build net.akir -o built.akd": "pass ",
    "run net.akd -i x.npy": "simulating",
    "run float.akir -i x.npy -o y.npy": "simulating",
    "run net.akd -i x.npy --on emulator": "emulator",
    "bench net.akd -i x.npy --repeat 2": "run 1 of 2",
    "bench net.akd -i x.npy --repeat 2 --on emulator": "run 1 of 2",
    "verify net.akd -i x.npy": "emulator",
    "compare net.akir float.akir -i x.npy": "comparing",
    "report net.akd -i x.npy": "counting events",
    "report net.akir --html r.html": "pass ",
}
"""Commands, and what stands beside the bar of each."""

Run = Callable[[str, bool], str]


def _of_terminal(work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """What work writes on stderr where that is a terminal; a thread reads along, as a terminal holds few bytes."""
    master, slave = os.openpty()
    read: list[bytes] = []

    def reading() -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(master, 4096):
                read.append(data)

    reader = threading.Thread(target=reading)
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal, monkeypatch.context() as patch:
        assert terminal.isatty()
        patch.setattr(sys, "stderr", terminal)
        work()
    reader.join()
    os.close(master)
    return b"".join(read).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("progress"))


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as if it took longer than one waits; gives what stands on stderr, which is a terminal or none."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(session, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")

    def running(command: str, terminal: bool) -> str:
        def work() -> object:
            return cli.main(command.split(), prog_name="akc", standalone_mode=False)

        if terminal:
            return _of_terminal(work, monkeypatch)
        with (folder / "stderr").open("w+", encoding="utf-8") as file, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", file)
            work()
            return (folder / "stderr").read_text()

    return running


@pytest.mark.parametrize("command", SHOWN)
def test_a_bar_on_a_terminal(command: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(command, True)
    assert SHOWN[command] in shown and "\u2501" in shown
    assert "\u2501" not in capsys.readouterr().out
    assert shown.rindex("\x1b[?25h") > shown.rindex("\u2501"), "the cursor comes back"


@pytest.mark.parametrize("command", SHOWN)
def test_no_bar_elsewhere(command: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (run(f"{command} --quiet", True), run(command, False)):
        assert "\u2501" not in shown and "\x1b" not in shown and SHOWN[command] not in shown


def test_the_bar_of_a_run_counts_to_its_end() -> None:
    """Statements and pieces of the batch: as many calls as there are of both, one by one."""
    import numpy as np

    from akc.compiler.arrays import float_network
    from akc.sim.run import Runner

    told: list[tuple[int, int]] = []
    module = float_network([np.eye(3, dtype=np.float32)], [None], (3,))
    runner = Runner(module, progress=lambda done, total, what: told.append((done, total)))
    runner.piece = 2
    runner.run(np.zeros((5, 3), np.float32))
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)] and len(told) % 3 == 0
    first = len(told)
    runner.run(np.zeros((2, 3), np.float32))
    assert told[first:] == [(done, first // 3) for done in range(1, first // 3 + 1)]
