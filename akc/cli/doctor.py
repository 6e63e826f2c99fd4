# SPDX-License-Identifier: Apache-2.0
"""`akc doctor`: whether this machine has what akc needs, and what to do where it has not."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table

from akc.base.diagnostics import error
from akc.cli.session import print_json
from akc.devices.opening import list_devices

GOOD, LACKING, BROKEN = "ok", "not there", "in the way"
SPACE = 200 << 20
"""Bytes of free space below which a large network may not find room."""


@frozen
class Finding:
    """One thing that was looked at. state: GOOD, LACKING (only some things need it) or BROKEN; help: what to do."""

    area: str
    what: str
    state: str
    found: str
    help: str = ""


def doctor(as_json: bool) -> None:
    """Look, print, and raise AKC0919 where something is in the way."""
    findings = [*_python(), *_packages(), *_devices(), *_space()]
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        table = Table("what", "state", "found", "what to do")
        for one in findings:
            table.add_row(f"{one.area}: {one.what}", one.state, one.found, one.help)
        Console(markup=False).print(table)
    broken = [one for one in findings if one.state == BROKEN]
    if broken:
        raise error(
            "AKC0919",
            f"akc cannot work as it is: {', '.join(f'{one.area} {one.what}' for one in broken)}",
            help=[one.help for one in broken],
        )


def _python() -> Iterator[Finding]:
    found = platform.python_version()
    fine = sys.version_info >= (3, 11)
    yield Finding("python", "version", GOOD if fine else BROKEN, found, "" if fine else "install Python 3.11 or newer")


def _packages() -> Iterator[Finding]:
    """What the installed akc says that it and its extras need."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for line in metadata.requires("akc") or ():
        match = re.match(r"([\w.-]+)\s*([^;]*)(?:;.*extra == [\"'](\w+)[\"'])?", line)
        if match is None or match[1] == "akc" or match[3] in ("dev", "browser"):
            continue
        wanted.setdefault((match[1], match[2].strip()), set()).add(match[3] or "")
    for (name, limits), extras in wanted.items():
        yield _package(name, limits, extras)


def _package(name: str, limits: str, extras: set[str]) -> Finding:
    needed = "" in extras
    what = f"{name} {limits}" + ("" if needed else f" (for {', '.join(sorted(extras))})")
    help = f"pip install '{name}{limits}'" if needed else f"pip install 'akc[{min(extras)}]'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("package", what, BROKEN if needed else LACKING, "none", help)
    if _fits(version, limits):
        return Finding("package", what, GOOD, version)
    return Finding("package", what, BROKEN if needed else LACKING, version, f"pip install '{name}{limits}'")


def _fits(version: str, limits: str) -> bool:
    """Whether a version is one of those asked for; each limit is >=V or ==V."""
    for limit in filter(None, (part.strip() for part in limits.split(","))):
        sign, least = limit[:2], _numbers(limit[2:])
        if (sign == ">=" and _numbers(version) < least) or (sign == "==" and _numbers(version) != least):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.partition("+")[0])[:3])


def _devices() -> Iterator[Finding]:
    for row in list_devices():
        yield Finding("device", row.what, LACKING if row.problem else GOOD, row.problem or row.on, row.help)


def _space() -> Iterator[Finding]:
    for what, folder in (("this folder", Path.cwd()), ("for temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        if not os.access(folder, os.W_OK):
            yield Finding(
                "folder", what, LACKING, f"{folder} may not be written to", "give products another folder: -o"
            )
        elif free < SPACE:
            yield Finding("folder", what, BROKEN, f"{free >> 20} MiB free in {folder}", f"make room in {folder}")
        else:
            yield Finding("folder", what, GOOD, f"{free >> 30} GiB free in {folder}")
