# SPDX-License-Identifier: Apache-2.0
"""Run the command line in this process, as `main` does, with stdout, stderr and exit code apart."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from attrs import frozen
from click.testing import CliRunner

from akc.cli.main import cli
from akc.cli.session import guarded


@frozen
class Outcome:
    """What a run printed and gave back."""

    code: int
    stdout: str
    stderr: str
    stdout_bytes: bytes


def akc(*arguments: str, stdin: str | bytes | None = None, folder: Path | None = None) -> Outcome:
    """Run `akc ARGUMENTS`, in a folder if one is given."""
    runner = CliRunner()
    before = Path.cwd()
    if folder is not None:
        os.chdir(folder)
    try:
        with runner.isolation(input=stdin) as (out, err, _):
            code = guarded(lambda: cli.main(list(arguments), prog_name="akc"))
            sys.stdout.flush()
            data = out.getvalue()
            return Outcome(code, data.decode("utf-8", "replace"), err.getvalue().decode(), data)
    finally:
        os.chdir(before)
