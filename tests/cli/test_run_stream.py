# SPDX-License-Identifier: Apache-2.0
"""`akc run --stream`: answers do not depend on how a stream is cut, come at once, and a fault names its chunk."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import akc as api
from tests.cli import aedat4
from tests.cli.runner import Outcome, akc

T, SHAPE = 4, (2, 5, 6)
rng = np.random.default_rng(3)
STEPS = rng.integers(0, 2, (6 * T, *SHAPE)).astype(np.float32)
"""Six windows after each other."""
WINDOWS = STEPS.reshape(6, T, *SHAPE)


def _numbers(array: np.ndarray) -> str:
    return " ".join(str(v) for v in array.ravel())


W1, W2 = (
    rng.normal(mean, deviation, shape).astype(np.float32).round(2)
    for shape, mean, deviation in (((8, 60), 0.01, 0.15), ((3, 8), 0.1, 0.3))
)


def _text(steps: int, end: str) -> str:
    """60-8-3 with leaky neurons, over so many steps."""
    return f"""akir 1.0

net @n(%x: f32[T={steps}, 2, 5, 6] in [0.0, 1.0]) -> f32[{"3" if end == "host.sum" else f"T={steps}, 3"}] {{
  %flat = nn.reshape(%x, shape=[60]) : f32[T={steps}, 60]
  %fc1 = nn.dense(%flat, weight=#w1) : f32[T={steps}, 8]
  %l1 = snn.leaky(%fc1, beta=0.9) : f32[T={steps}, 8]
  %fc2 = nn.dense(%l1, weight=#w2) : f32[T={steps}, 3]
  %l2 = snn.leaky(%fc2, beta=0.8) : f32[T={steps}, 3]
  {"%s = host.sum(%l2) : f32[3]" if end == "host.sum" else ""}
  return %{"s" if end == "host.sum" else "l2"}
}}

weights {{
  #w1 : f32[8, 60] = dec "{_numbers(W1)}"
  #w2 : f32[3, 8] = dec "{_numbers(W2)}"
}}
"""


LOOP = """akir 1.0

net @n(%x: f32[T=4, 3]) -> f32[T=4, 3] {
  %before = host.previous(%s) : f32[T=4, 3]
  %sum = host.add(%x, %before) : f32[T=4, 3]
  %s = snn.leaky(%sum, beta=0.5, threshold=0.7) : f32[T=4, 3]
  return %s
}
"""
PLAIN = """akir 1.0

net @n(%x: f32[3]) -> f32[3] {
  %y = nn.affine(%x, scale=2.0) : f32[3]
  return %y
}
"""
TWO = """akir 1.0

net @n(%x: f32[3], %y: f32[3]) -> (f32[3], f32[3]) {
  %a = host.add(%x, %y) : f32[3]
  return %a, %x
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stream")
    (place / "net.akir").write_text(_text(T, "host.sum"))
    (place / "loop.akir").write_text(LOOP)
    (place / "plain.akir").write_text(PLAIN)
    (place / "two.akir").write_text(TWO)
    for way in ("hybrid", "rate"):
        net = api.lower(api.parse(_text(T, "host.sum")), spikes=way, host="allow", context=api.Context())
        api.build(net, host="allow", context=api.Context()).save(place / f"{way}.akd")
    return place


def _stream(*arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    for array in arrays:
        np.save(stream, array)
    return stream.getvalue()


def _lines(outcome: Outcome) -> np.ndarray:
    assert outcome.code == 0, outcome.stderr
    return np.array([[float(word) for word in line.split(",")] for line in outcome.stdout.splitlines()])


CUTS: dict[str, Callable[[], bytes]] = {
    "windows": lambda: _stream(*WINDOWS),
    "all at once": lambda: _stream(WINDOWS),
    "windows in pairs": lambda: _stream(*WINDOWS.reshape(3, 2, T, *SHAPE)),
    "single steps": lambda: _stream(*STEPS),
    "uneven steps": lambda: _stream(STEPS[:3], STEPS[3:10], STEPS[10:11], STEPS[11:]),
    "windows behind steps": lambda: _stream(STEPS[:2], STEPS[2:18].reshape(4, T, *SHAPE), STEPS[18:]),
    "other numbers": lambda: _stream(STEPS.astype(np.uint8), STEPS[:0]),
    "Fortran's order": lambda: _stream(np.asfortranarray(WINDOWS[:2]), np.asfortranarray(STEPS[8:])),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("file", ["net.akir", "hybrid.akd", "rate.akd"])
def test_how_a_stream_is_cut_changes_nothing(file: str, cut: str, folder: Path) -> None:
    whole = _lines(akc("run", file, "--stream", stdin=_stream(WINDOWS), folder=folder))
    assert whole.shape == (6, 3) and whole.any() and (whole != whole[0]).any()
    np.testing.assert_array_equal(_lines(akc("run", file, "--stream", stdin=CUTS[cut](), folder=folder)), whole)


def test_neurons_go_on_from_window_to_window(folder: Path) -> None:
    """As in one run over all the steps; with --fresh as in a run of each window."""
    long = api.run(_text(6 * T, "all"), STEPS[None])[0].reshape(6, T, 3).sum(1)
    np.testing.assert_array_equal(_lines(akc("run", "net.akir", "--stream", stdin=_stream(STEPS), folder=folder)), long)
    each = api.run(_text(T, "host.sum"), WINDOWS)
    outcome = akc("run", "net.akir", "--stream", "--fresh", stdin=_stream(STEPS), folder=folder)
    np.testing.assert_array_equal(_lines(outcome), each)
    assert (each != long).any()
    assert "the state of %l1, %l2 starts anew in each" in outcome.stderr


def test_what_goes_in_a_loop_goes_on_too(folder: Path) -> None:
    x = rng.uniform(0, 1, (12, 3)).astype(np.float32)
    whole = api.run(LOOP.replace("T=4", "T=12"), x[None])[0]
    outcome = akc("run", "loop.akir", "--stream", stdin=_stream(*x.reshape(3, 4, 3)), folder=folder)
    np.testing.assert_array_equal(_lines(outcome).reshape(12, 3), whole)
    assert whole.any() and "the state of %before, %s goes on" in outcome.stderr


@pytest.mark.parametrize("file", ["hybrid.akd", "rate.akd"])
def test_on_the_emulated_chip(file: str, folder: Path) -> None:
    ours, chip = (
        akc("run", file, "--stream", "--on", on, stdin=_stream(*WINDOWS), folder=folder)
        for on in ("simulator", "emulator")
    )
    np.testing.assert_array_equal(_lines(chip), _lines(ours))
    counted = akc("run", file, "--stream", "--on", "emulator", "--clock", stdin=_stream(STEPS), folder=folder)
    assert "clock cycles counted" in counted.stderr


def test_a_network_without_time(folder: Path) -> None:
    chunks = _stream(np.ones(3), np.arange(6).reshape(2, 3), np.zeros((0, 3)))
    outcome = akc("run", "plain.akir", "--stream", stdin=chunks, folder=folder)
    np.testing.assert_array_equal(_lines(outcome), [[2, 2, 2], [0, 2, 4], [6, 8, 10]])
    assert "an answer a sample; nothing is remembered" in outcome.stderr
    assert re.search(r"3 answer\(s\), latency median \d+\.\d\d ms, 95th percentile \d+\.\d\d ms\n", outcome.stderr)


def test_answers_as_arrays(folder: Path) -> None:
    stdin = _stream(np.ones(3), np.arange(6).reshape(2, 3))
    for output in ("-", "y.npy"):
        outcome = akc("run", "plain.akir", "--stream", "-o", output, stdin=stdin, folder=folder)
        assert outcome.code == 0
        written = io.BytesIO(outcome.stdout_bytes if output == "-" else (folder / output).read_bytes())
        assert [np.load(written).shape for _ in range(2)] == [(1, 3), (2, 3)]


def test_the_chips_own_integers(folder: Path) -> None:
    """A stream of levels gives what a file of levels gives."""
    levels = rng.integers(0, T, (3, 1, 1, 60)).astype(np.uint8)
    np.save(folder / "levels.npy", levels)
    outcome = akc("run", "rate.akd", "--stream", "--raw", "-i", "levels.npy", "-o", "stream.npy", folder=folder)
    beside = akc("run", "rate.akd", "--raw", "-i", "levels.npy", "-o", "raw.npy", folder=folder)
    assert beside.code == outcome.code == 0, (beside.stderr, outcome.stderr)
    np.testing.assert_array_equal(np.load(folder / "stream.npy"), np.load(folder / "raw.npy"))


def test_steps_that_are_left_are_told(folder: Path) -> None:
    outcome = akc("run", "net.akir", "--stream", stdin=_stream(STEPS[:6]), folder=folder)
    assert len(_lines(outcome)) == 1 and "2 step(s) at the end are no whole window of 4, left out" in outcome.stderr


# -- events ----------------------------------------------------------------------------------------


def _events() -> np.ndarray:
    """[n, (t, x, y, p)] of the spikes of STEPS, a millisecond a step, from 5 s on."""
    step, p, y, x = np.nonzero(STEPS)
    table = np.stack([5_000_000 + 1000 * step, x, y, p], 1)
    return table[table[:, 0].argsort(kind="stable")]


def _csv(head: str = "t,x,y,p\n") -> bytes:
    return (head + "".join(",".join(map(str, row)) + "\n" for row in _events())).encode()


@pytest.mark.parametrize("head", ["t,x,y,p\n", "", "# a comment\n\ntimestamp, x, y, polarity\n"])
def test_events_of_a_csv(head: str, folder: Path) -> None:
    whole = _lines(akc("run", "net.akir", "--stream", stdin=_stream(STEPS), folder=folder))
    outcome = akc("run", "net.akir", "--stream", "--bin", "1000", stdin=_csv(head), folder=folder)
    np.testing.assert_array_equal(_lines(outcome), whole)


def test_events_of_aedat_4(folder: Path) -> None:
    whole = _lines(akc("run", "net.akir", "--stream", stdin=_stream(STEPS), folder=folder))
    packets = np.array_split(_events(), 7)
    (folder / "e.aedat4").write_bytes(aedat4.file(packets, SHAPE[2], SHAPE[1]))
    outcome = akc("run", "net.akir", "--stream", "--bin", "1000", "-i", "e.aedat4", folder=folder)
    np.testing.assert_array_equal(_lines(outcome), whole)
    broken = aedat4.file(packets, SHAPE[2], SHAPE[1])[:-40]
    outcome = akc("run", "net.akir", "--stream", "--bin", "1000", stdin=broken, folder=folder)
    assert outcome.code == 1 and "AKC0707]: packet 7 of <stdin> is damaged" in outcome.stderr
    assert outcome.stdout and "latency" in outcome.stderr


def test_windows_without_events_pass(folder: Path) -> None:
    """Between events the neurons go on, with nothing coming in."""
    lines = b"0,1,1,1\n20000,2,2,0\n"
    outcome = akc("run", "net.akir", "--stream", "--bin", "1000", stdin=lines, folder=folder)
    assert len(_lines(outcome)) == 6


def test_events_of_a_row_of_channels(folder: Path) -> None:
    outcome = akc("run", "loop.akir", "--stream", "--bin", "10", stdin=b"0,1\n11,1\n12,2\n39,0\n", folder=folder)
    x = np.array([[0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]], np.float32)
    np.testing.assert_array_equal(_lines(outcome).reshape(4, 3), api.run(LOOP, x[None])[0])


# -- faults ----------------------------------------------------------------------------------------

GOOD = _stream(WINDOWS[0])
FAULTS: dict[str, tuple[str, bytes, str]] = {
    "an array cut short": ("net.akir", GOOD + GOOD[:-8], "AKC0707]: chunk 2 of <stdin> is damaged: it ends after"),
    "a header cut short": ("net.akir", GOOD + GOOD[:30], "AKC0707]: chunk 2 of <stdin> is damaged: "),
    "another file behind": ("net.akir", GOOD * 2 + b"hello world", "AKC0707]: chunk 3 of <stdin> is damaged: "),
    "another shape": ("net.akir", GOOD + _stream(np.ones((4, 2, 5))), "AKC0708]: chunk 2 of <stdin>: %x takes [n"),
    "objects": ("net.akir", _stream(np.array(["a"])), "AKC0708]: chunk 1 of <stdin> holds <U1, not numbers"),
    "no numbers": ("net.akir", GOOD + _stream(WINDOWS[0] * np.nan), "AKC0708]: chunk 2 of <stdin>: the array for %x"),
    "nothing": ("net.akir", b"", "AKC0707]: <stdin> ends before its first chunk"),
    "two inputs": ("two.akir", _stream(np.ones(3)), "AKC0710]: a stream feeds one input, the network has %x, %y"),
    "no lines of events": ("net.akir", b"hello\n", "AKC0707]: line 1 of <stdin> is no event"),
    "a word among the events": ("net.akir", b"0,1,1,1\n1,1,one,1\n", "AKC0707]: line 2 of <stdin> is no event"),
    "a line too short": ("net.akir", b"0,1,1,1\n\n1,1\n", "AKC0707]: line 3 of <stdin> is no event"),
    "outside of the picture": ("net.akir", b"0,1,1,1\n1,6,1,1\n", "AKC0709]: line 2 of <stdin> has an x outside"),
    "below the picture": ("net.akir", b"0,1,1,1\n1,5,5,1\n", "AKC0709]: line 2 of <stdin> has a y outside"),
    "no polarity": ("net.akir", b"0,1,1,1\n1,1,1,7\n", "AKC0709]: line 2 of <stdin>: p is 7, no polarity"),
    "half a pixel": ("net.akir", b"0,1.5,1,1\n", "AKC0709]: line 1 of <stdin>: x is 1.5, no whole number"),
    "back in time": ("net.akir", b"5,1,1,1\n4,1,1,1\n", "AKC0709]: line 2 of <stdin> comes before the event"),
    "a clock that jumps": ("net.akir", b"0,1,1,1\n9e9,1,1,1\n", "AKC0709]: line 1 of <stdin> and those behind it: 22"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_chunk(fault: str, folder: Path) -> None:
    file, stdin, says = FAULTS[fault]
    outcome = akc("run", file, "--stream", "--bin", "1000", stdin=stdin, folder=folder)
    assert outcome.code == 1 and says in outcome.stderr, outcome.stderr
    assert outcome.stderr.count("error[") == 1 and "= help: " in outcome.stderr
    if file == "net.akir" and stdin.startswith(GOOD):
        assert 1 <= len(outcome.stdout.splitlines()) <= 2, "what came in front of the fault is answered"


def test_events_need_the_length_of_a_step(folder: Path) -> None:
    outcome = akc("run", "net.akir", "--stream", stdin=_csv(), folder=folder)
    assert (
        outcome.code == 1
        and "AKC0709" in outcome.stderr
        and "--bin 1000 makes steps of a millisecond" in outcome.stderr
    )


def test_events_for_what_is_no_picture(folder: Path) -> None:
    (folder / "colours.akir").write_text(PLAIN.replace("f32[3]", "f32[3, 8, 8]"))
    outcome = akc("run", "colours.akir", "--stream", "--bin", "9", stdin=b"0,1,1,1\n", folder=folder)
    assert outcome.code == 1 and "AKC0710]: events cannot be put into %x, which is f32[3, 8, 8]" in outcome.stderr


def test_aedat_without_its_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from akc.compiler.stream import events

    monkeypatch.setattr(events, "find_spec", lambda name: None)
    outcome = akc("run", "net.akir", "--stream", "--bin", "9", stdin=b"#!AER-DAT4.0\r\n", folder=folder)
    assert outcome.code == 1 and "AKC0313" in outcome.stderr and 'pip install "akc[events]"' in outcome.stderr


@pytest.mark.parametrize(
    "words",
    ["net.akir --bin 5 -i x.npy", "net.akir --fresh -i x.npy", "net.akir --stream -o y.npz", "- --stream",
     "net.akir --stream --bin 0"],
)  # fmt: skip
def test_usage(words: str, folder: Path) -> None:
    assert akc("run", *words.split(), folder=folder).code == 2


# -- a pipe that stays open ------------------------------------------------------------------------


@pytest.fixture
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "akc", "run", "net.akir", "--stream"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, bufsize=0, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.kill()


def test_each_answer_comes_before_the_next_chunk(running: subprocess.Popen[bytes]) -> None:
    assert running.stdin and running.stdout and running.stderr
    for window in WINDOWS[:3]:
        running.stdin.write(_stream(window))
        running.stdin.flush()
        assert len(running.stdout.readline().split(b",")) == 3
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130
    said = running.stderr.read().decode()
    assert (
        re.search(r"[23] answer\(s\), latency median", said)
        and said.endswith("interrupted\n")
        and "Traceback" not in said
    )


def test_a_reader_that_goes_away(running: subprocess.Popen[bytes]) -> None:
    assert running.stdin and running.stdout and running.stderr
    running.stdin.write(_stream(WINDOWS[0]))
    running.stdin.flush()
    assert running.stdout.readline()
    running.stdout.close()
    try:
        for _ in range(1000):
            running.stdin.write(GOOD)
            running.stdin.flush()
    except BrokenPipeError:
        pass
    assert running.wait() == 0 and b"error" not in running.stderr.read()
