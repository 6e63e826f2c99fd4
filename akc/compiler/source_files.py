# SPDX-License-Identifier: Apache-2.0
"""Every file that reading a source opens, found before it is read: so that no product takes its place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from akc.base.diagnostics import DiagnosticError, error
from akc.base.files import PathLike
from akc.base.products import check_products
from akc.compiler.sources import find_kind


def _factory(source: str) -> list[str]:
    return [source.rpartition(":")[0]]


def _onnx(source: str) -> list[str]:
    from akc.frontends.onnx.file import external_files

    return [source, *(str(path) for path in external_files(Path(source)))]


FURTHER: dict[str, Callable[[str], list[str]]] = {".py:": _factory, ".onnx": _onnx}
"""Kinds of source that are not the one file of their name."""


def files_of(source: str) -> list[str]:
    """The files of a source; what is wrong with it is said by who reads it."""
    try:
        kind = find_kind(source)
    except DiagnosticError:
        return [source]
    further = FURTHER.get(kind.suffix)
    return [source] if further is None else further(source)


def check_files(
    sources: Iterable[PathLike | None], products: Iterable[PathLike | None], dump_dir: PathLike | None = None
) -> None:
    """Raise DiagnosticError, before the work starts, for products that cannot be written or would be a source.

    dump_dir: where the passes write NN-pass.akir, which must be none of the others either.
    """
    wanted = [p for p in products if p is not None]
    there = any(os.path.isfile(p) for p in wanted)
    read = [str(s) for s in sources if s is not None]
    check_products([file for s in read for file in files_of(s)] if there else [], wanted)
    if dump_dir is not None:
        _check_dump(dump_dir, [*read, *wanted])


_DUMPED = re.compile(r"\d\d-[a-z0-9-]+\.akir")


def _check_dump(folder: PathLike, others: list[PathLike]) -> None:
    """Refuse a folder for dumps that holds a source or product of the call under the name of a dump."""
    lost = [p for p in others if _DUMPED.fullmatch(Path(p).name) and _same(Path(p).parent, folder)]
    if lost:
        help = "take another folder for --dump-dir"
        raise error(
            "AKC0916", f"{lost[0]} lies in {folder} and has the name of a dump, which would take its place", help=help
        )


def _same(one: PathLike, other: PathLike) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
