# SPDX-License-Identifier: Apache-2.0
"""What a report was made from and with: versions, digests, what was proved, the command."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from akc.compiler.program import Program
from akc.ir.printer import print_module

Rows = tuple[tuple[str, str], ...]


def provenance(program: Program, files: dict[str, str]) -> Rows:
    """Rows of a label and a value. files: what each file that was read is for, by its name."""
    return (*_versions(program), *_digests(program, files), *_command())


def _versions(program: Program) -> Iterator[tuple[str, str]]:
    yield "akc", metadata.version("akc")
    yield "Python, numpy", f"{platform.python_version()}, {np.__version__}"
    yield "text", f"akir {program.module.version}"
    if program.target:
        yield "target", program.target
        yield "for the vendor's engine", program.engine_version
        yield "proved when it was built", program.checked.removeprefix("checked: ") or "nothing was asked for"


def _digests(program: Program, files: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, what in files.items():
        path = Path(name)
        if path.is_file():
            yield f"SHA-256 of {what} {path.name}", hashlib.sha256(path.read_bytes()).hexdigest()
    yield "SHA-256 of the text", hashlib.sha256(print_module(program.module).encode()).hexdigest()
    for sequence in program.sequences:
        for part in ("info", "data"):
            digest = hashlib.sha256(getattr(sequence, part)).hexdigest()
            yield f"SHA-256 of program_{part} of @{sequence.sequence}", digest


def _command() -> Iterator[tuple[str, str]]:
    path = Path(sys.argv[0]) if sys.argv else Path()
    if "akc" in (path.name, path.parent.name):
        yield "command", shlex.join(["akc", *sys.argv[1:]])
