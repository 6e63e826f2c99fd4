# SPDX-License-Identifier: Apache-2.0
"""Command lines on inputs that may be damaged, each in a forked worker with limits: what may not happen, named.

A worker starts where the command `akc` starts, with everything imported already; it has SECONDS of processor time and
RESIDENT bytes of memory beside what it was forked with. It may end with exit code 0, 1 or 2 and nothing else.
"""

from __future__ import annotations

import importlib
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

SECONDS = 20
RESIDENT = 3 << 29
"""Bytes that a worker may take: the budget of 1 GiB and half of one for akc itself."""
PATIENCE = 240
"""Seconds on the clock after which a worker that does not compute is ended."""

PRELOADED = ("akc.cli.main", "akc.cli.verbs", "akc.cli.text_verbs", "akc.cli.device_verbs", "akc.passes",
             "akc.sim.compare",
             "akc.frontends.onnx.importer", "akc.frontends.spiking.weights", "akc.frontends.spiking.nir",
             "akc.frontends.spiking.lava", "akc.compiler.checks.sources", "akc.fbz", "akc.devices.runner", "h5py",
             "onnx", "onnx.reference", "onnx.inliner", "onnx.version_converter", "safetensors.numpy")  # fmt: skip


@frozen
class Outcome:
    """How a command ended. wrong: "" where it ended well, else what happened; stderr: its last words."""

    code: int
    wrong: str
    stderr: str
    mib: int
    seconds: float


def preload() -> None:
    """Import what the workers need."""
    for name in PRELOADED:
        importlib.import_module(name)


def command(argv: Sequence[str], folder: Path) -> Outcome:
    """A command line of akc in a folder."""
    return worker(lambda: _akc(argv), folder)


def _akc(argv: Sequence[str]) -> int:
    from akc.cli.entry import main

    sys.argv = ["akc", *argv]
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    return 0


def worker(run: Callable[[], int], folder: Path) -> Outcome:
    """Run in a fork, inside a folder, with limits."""
    log = folder / "stderr"
    before = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 98
        try:
            code = _limited(run, folder, log)
        finally:
            os._exit(code)
    status, used = _wait(child)
    said = log.read_bytes().decode("utf-8", "replace") if log.exists() else ""
    code = os.waitstatus_to_exitcode(status)
    mib = used.ru_maxrss >> 10
    return Outcome(code, _wrong(code, said, mib), said[-2000:], mib, time.monotonic() - before)


def _limited(run: Callable[[], int], folder: Path, log: Path) -> int:
    os.chdir(folder)
    null = os.open(os.devnull, os.O_RDWR)
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for fd, target in ((null, 0), (null, 1), (errors, 2)):
        os.dup2(fd, target)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    used = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + SECONDS, int(used) + SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(PATIENCE)
    code = run()
    sys.stderr.flush()
    return code


def _wait(child: int) -> tuple[int, resource.struct_rusage]:
    """Wait for a worker, and end it where it takes too much memory."""
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return status, used
        if _resident(child) > RESIDENT + (1 << 29):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def _resident(child: int) -> int:
    try:
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _wrong(code: int, said: str, mib: int) -> str:
    if code == -signal.SIGXCPU or code == -signal.SIGALRM:
        return "hang"
    if code < 0:
        return f"{mib} MiB" if code == -signal.SIGKILL else f"killed by signal {-code}"
    if code not in (0, 1, 2) or "Traceback" in said:
        return f"exit {code}: {crash(said)}"
    return f"{mib} MiB" if mib << 20 > RESIDENT else ""


def crash(said: str) -> str:
    """What a bug was, in one line, from what the command told."""
    found = re.search(r"not of your input: (.*)", said)
    return found[1][:200] if found else said.strip().splitlines()[-1][:200] if said.strip() else ""
