# SPDX-License-Identifier: Apache-2.0
"""Run many command lines as processes of their own, with streams as a shell would set them, at the cost of a fork.

This file is run by `processes.Forking`: it imports akc once and reads lines, a JSON list of cases each; each child
starts where the command `akc` does. A case: argv, and for stdin, stdout, stderr a file name, "closed" or "broken" (a
pipe that nobody reads); signal: sent as soon as the child has opened the pipe `fifo` for reading.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

PRELOADED = ("akc.cli.main", "akc.cli.verbs", "akc.cli.device_verbs", "akc.passes", "akc.sim.compare", "rich.table")


def _redirect(fd: int, what: str) -> None:
    if what == "closed":
        os.close(fd)
    elif what == "broken":
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, fd)
        os.close(write)
    else:
        flags = os.O_RDONLY if fd == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(what, flags, 0o644)
        os.dup2(opened, fd)
        os.close(opened)


def _child(case: dict[str, Any]) -> int:
    from akc.cli.entry import main

    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        _redirect(fd, case[name])
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        mode = "r" if fd == 0 else "w"
        setattr(sys, name, None if case[name] == "closed" else open(fd, mode, encoding="utf-8"))  # noqa: SIM115
    sys.argv = ["akc", *case["argv"]]
    try:
        main()
    except SystemExit as stop:
        try:
            sys.stdout.flush()  # as the interpreter does at its end
        except BaseException:
            return 120
        return stop.code if isinstance(stop.code, int) else 1
    return 99


def _run(case: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        code = 98
        try:
            code = _child(case)
        finally:
            os._exit(code)
    if case["signal"]:
        with open(case["fifo"], "wb"):  # returns when the child reads
            os.kill(child, case["signal"])
            status = os.waitpid(child, 0)[1]
    else:
        status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        signal.alarm(600)  # a child that hangs ends the test, and not by the machine's speed
        print(json.dumps([_run(case) for case in json.loads(line)]), flush=True)
