# SPDX-License-Identifier: Apache-2.0
"""HDF5 files as plain data: groups as dicts, datasets as numbers, arrays and texts; links that lead elsewhere refused.

HDF5 can claim sizes that it does not hold (a dataset of fill values takes no byte), link groups to groups around it,
and name other files; all of that is found before anything is read (.nir and .net files are HDF5).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import define, field

from akc.base.budget import promise
from akc.base.diagnostics import DiagnosticError, error
from akc.base.files import read_bytes

Tree = dict[str, Any]

DEEPEST = 32
MOST = 200_000
"""Members of a file; networks have some tens a layer."""
HELP = "write the file again from the network"


def read_tree(path: str, what: str) -> Tree:
    """The members of a file. `what` says what it should be, for messages.

    Raises DiagnosticError AKC0313 (h5py is missing), AKC0389 (no HDF5, or damaged), AKC0956 (too large for the
    budget), AKC0957 (links that lead elsewhere), AKC0959 (too deep, or groups inside themselves).
    """
    try:
        import h5py
    except ImportError:
        suffix = Path(path).suffix
        raise error("AKC0313", f"reading {suffix} files needs h5py", help='pip install "akc[snn]"') from None
    name = Path(path).name
    read_bytes(path)
    try:
        with h5py.File(path, "r") as file:
            return _Walk(h5py, name).group(file, "", 0)
    except DiagnosticError:
        raise
    except Exception as fault:  # damage shows as nearly any exception of h5py
        reason = (str(fault) or type(fault).__name__).splitlines()[0]
        raise error("AKC0389", f"{name} is no {what}: {reason}", help=HELP) from None


@define
class _Walk:
    """One reading: what has been seen."""

    h5py: Any
    name: str
    seen: set[Any] = field(factory=set)
    members: int = 0

    def group(self, group: Any, path: str, depth: int) -> Tree:
        """The members of a group."""
        self._enter(group, path, depth)
        found: Tree = {}
        for key in group:
            place = f"{path}/{key}" if path else str(key)
            if "\0" in key:
                raise error("AKC0955", f"{self.name}: {place!r} has a NUL in its name", help=HELP)
            if not isinstance(group.get(key, getlink=True), self.h5py.HardLink):
                raise error("AKC0957", f"{self.name}: {place} is a link to another place", help=_WHOLE)
            item = group[key]
            found[key] = self.group(item, place, depth + 1) if hasattr(item, "items") else self.dataset(item, place)
        return found

    def _enter(self, group: Any, path: str, depth: int) -> None:
        """Count, and refuse groups that are reached twice or lie too deep."""
        place = self.h5py.h5o.get_info(group.id).addr
        self.members += len(group)
        if place in self.seen or depth > DEEPEST or self.members > MOST:
            what = (
                "a group that is reached twice" if place in self.seen else "nested too deeply, or has too many members"
            )
            raise error("AKC0959", f"{self.name}: {path or '/'} is {what}", help=HELP)
        self.seen.add(place)

    def dataset(self, item: Any, path: str) -> Any:
        """A number, an array, a text or texts; None for what is empty or of another kind."""
        if not isinstance(item, self.h5py.Dataset) or item.shape is None:
            return None
        if item.external or item.is_virtual:
            raise error("AKC0957", f"{self.name}: {path} keeps its bytes in another place", help=_WHOLE)
        what = f"{self.name}: {path} of {'x'.join(map(str, item.shape)) or 'one'} {item.dtype}"
        if self.h5py.check_string_dtype(item.dtype) is not None:
            return self._texts(item, what)
        if item.dtype.kind not in "biuf":
            return None
        chunk = item.chunks or ()
        promise((item.size + _product(chunk)) * item.dtype.itemsize, what)
        return item[()]

    def _texts(self, item: Any, what: str) -> Any:
        """Texts, one after the other: each is counted before the next is read."""
        promise(item.size * max(item.dtype.itemsize, 64), what)
        if item.shape == ():
            return item[()]
        if item.dtype.kind == "S":
            return item[()]
        flat = []
        for index in range(item.size):
            text = item[_place(index, item.shape)]
            promise(len(text), what)
            flat.append(text)
        import numpy as np

        return np.array(flat, object).reshape(item.shape)


def _place(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The indices of an element."""
    place: list[int] = []
    for length in reversed(shape):
        place.insert(0, index % length)
        index //= length
    return tuple(place)


def _product(lengths: tuple[int, ...]) -> int:
    total = 1
    for length in lengths:
        total *= length
    return total


_WHOLE = "write everything into one file: h5repack copies what links lead to"
