# SPDX-License-Identifier: Apache-2.0
"""net.akd: a zip with the placed text (what the runner executes), the chip's bytes, and their map.

    net.akir                    the placed network
    sequences/<n>-<name>/info.bin, data.bin   program_info and program_data as the chip wants them
    map.json                    which bytes hold what
    meta.json                   target, akc version, engine version, what was proved, SHA-256 of every other member

Members have a fixed date and order, so the same network gives the same file on any machine.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import os
import zipfile
import zlib
from typing import Any

from attrs import asdict, frozen

from akc.base.budget import account, promise_member
from akc.base.calls import PATH, public
from akc.base.checked import Faults, Whole, Word, checked, record
from akc.base.diagnostics import DiagnosticError, error
from akc.base.display import Displayed
from akc.base.files import read_bytes
from akc.base.products import write_bytes
from akc.compiler.reading_again import refuse_too_large
from akc.compiler.running import run
from akc.ir.module import Module
from akc.ir.ops.akida import on_host
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.targets import ByteRange, SequenceProgram

_DATE = (1980, 1, 1, 0, 0, 0)


@frozen(kw_only=True)
class Program(Displayed):
    """A network that is ready to run: what `akc.build` gives and a .akd file holds.

    module: the placed network; sequences: the bytes of each hardware sequence, in order; checked: what was proved
    when it was built, in one line.
    """

    module: Module
    sequences: tuple[SequenceProgram, ...]
    target: str
    engine_version: str
    checked: str = ""

    @property
    def info(self) -> bytes:
        """program_info of the only sequence; raises DiagnosticError AKC0604 if there are several."""
        return self._only().info

    @property
    def data(self) -> bytes:
        """program_data of the only sequence; raises DiagnosticError AKC0604 if there are several."""
        return self._only().data

    @property
    def bytes(self) -> bytes:
        """info and data of the only sequence in one piece, as HardwareDevice.program takes them."""
        return self._only().bytes

    @property
    def size(self) -> int:
        """Bytes of all sequences."""
        return sum(len(s.bytes) for s in self.sequences)

    def _only(self) -> SequenceProgram:
        if len(self.sequences) != 1:
            names = ", ".join(s.sequence for s in self.sequences) or "none"
            raise error(
                "AKC0604",
                f"the network has {len(self.sequences)} hardware sequences ({names}), not one",
                help="take them one by one from Program.sequences, or save the .akd file",
            )
        return self.sequences[0]

    def run(self, inputs: Any, raw: bool = False) -> Any:
        """Run the network on the integer simulator; see `akc.run`."""
        return run(self.module, inputs, raw)

    def map(self) -> dict[str, Any]:
        """Which bytes of which sequence's program hold which layer's weights, thresholds and registers."""
        return {
            s.sequence: {
                "info_bytes": len(s.info),
                "data_bytes": len(s.data),
                "ranges": [_row(r) for r in s.map],
            }
            for s in self.sequences
        }

    def map_json(self) -> builtins.bytes:
        """The map as JSON, a line for each range."""
        parts = []
        for name, entry in self.map().items():
            sizes = ", ".join(f'"{key}": {entry[key]}' for key in ("info_bytes", "data_bytes"))
            ranges = ",\n".join(f"  {json.dumps(row)}" for row in entry["ranges"])
            parts.append(f' {json.dumps(name)}: {{{sizes}, "ranges": [\n{ranges}\n ]}}')
        return ("{\n" + ",\n".join(parts) + "\n}\n").encode()

    @public(path=PATH)
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .akd file, whole or not at all."""
        write_bytes(path, self.to_bytes())

    def to_bytes(self) -> builtins.bytes:
        """The bytes of the .akd file."""
        members = {"net.akir": print_module(self.module).encode()}
        for number, sequence in enumerate(self.sequences):
            members[f"sequences/{number}-{sequence.sequence}/info.bin"] = sequence.info
            members[f"sequences/{number}-{sequence.sequence}/data.bin"] = sequence.data
        members["map.json"] = self.map_json()
        meta = {
            "format": 1,
            "target": self.target,
            "engine_version": self.engine_version,
            "sequences": [s.sequence for s in self.sequences],
            "checked": self.checked,
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
        }
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, data in {"meta.json": _json(meta), **members}.items():
                entry = zipfile.ZipInfo(name, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data)
        return stream.getvalue()


def _row(item: ByteRange) -> dict[str, Any]:
    """A range as a dict, without what is as usual."""
    usual = {"place": "", "count": 1, "stride": 0}
    return {key: value for key, value in asdict(item).items() if value != usual.get(key)}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


@public(path=PATH)
def load(path: str | os.PathLike[str]) -> Program:
    """Read a .akd file; raises DiagnosticError AKC0601 to AKC0603 if it is none, damaged or too new."""
    return from_bytes(read_bytes(path), str(path))


@frozen(kw_only=True)
class _Meta:
    """The fields of meta.json."""

    format: int = checked(Whole(0, 1 << 30))
    target: str = checked(Word(longest=100))
    engine_version: str = checked(Word(longest=100))
    checked: str = checked(Word(), "")


def from_bytes(data: bytes, name: str = "<bytes>") -> Program:
    """A Program from the bytes of a .akd file."""
    members, faults = _members(data, name), Faults(name)
    raw = _json_of(members, "meta.json", name)
    meta = record(_Meta, raw, "meta.json", faults)
    faults.stop()
    assert meta is not None and isinstance(raw, dict)
    if meta.format != 1:
        raise error("AKC0602", f"{name} has format {meta.format}, this akc reads 1", help="update akc")
    _refuse_damaged(members, raw.get("sha256"), name)
    module = parse(_text_of(members, "net.akir", name), f"{name}:net.akir")
    refuse_too_large(module)
    sequences = _sequences(members, raw.get("sequences"), module, name)
    return Program(
        module=module,
        sequences=sequences,
        target=meta.target,
        engine_version=meta.engine_version,
        checked=meta.checked,
    )


def _members(data: bytes, name: str) -> dict[str, bytes]:
    """The members, each held against the budget before it is unpacked."""
    try:
        with account(), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                promise_member(entry, name)
            return {entry: archive.read(entry) for entry in archive.namelist()}
    except _BAD_ZIP as fault:
        raise _no_akd(name, fault) from None


def _text_of(members: dict[str, bytes], member: str, name: str) -> str:
    try:
        return members[member].decode()
    except (KeyError, UnicodeDecodeError) as fault:
        raise _no_akd(name, fault) from None


def _json_of(members: dict[str, bytes], member: str, name: str) -> Any:
    try:
        return json.loads(_text_of(members, member, name))
    except (ValueError, RecursionError) as fault:
        raise _no_akd(name, fault) from None


def _refuse_damaged(members: dict[str, bytes], digests: Any, name: str) -> None:
    """Raise AKC0603 for members that are not those that were built, or that nobody listed."""
    if not isinstance(digests, dict):
        raise error("AKC0955", f"{name}: meta.json/sha256 is missing", help="allowed here: a digest for each member")
    damaged = [m for m, digest in digests.items() if hashlib.sha256(members.get(m, b"")).hexdigest() != digest]
    damaged += [m for m in members if m not in digests and m != "meta.json"]
    if damaged:
        raise error(
            "AKC0603",
            f"{name} is damaged: {', '.join(damaged[:10])} is not what was built",
            help="build it again; to change a network, edit its .akir text",
        )


def _sequences(members: dict[str, bytes], names: Any, module: Module, name: str) -> tuple[SequenceProgram, ...]:
    """The programs, one for each sequence on the chip that the text has."""
    wanted = [s.name for s in module.net.sequences if not on_host(s)]
    if names != wanted:
        message = f"{name}: meta.json/sequences is {str(names)[:100]}"
        raise error("AKC0955", message, help=f"allowed here: the sequences of net.akir, {wanted}")
    byte_map = _json_of(members, "map.json", name)
    try:
        return tuple(_sequence(members, n, s, byte_map) for n, s in enumerate(wanted))
    except _BAD_CONTENT as fault:
        raise _no_akd(name, fault) from None


_BAD_CONTENT = (KeyError, TypeError, ValueError, AttributeError)
_BAD_ZIP = (*_BAD_CONTENT, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, zlib.error)
"""What reading members that are not there, or are no zip at all, raises."""


def _no_akd(name: str, fault: Exception) -> DiagnosticError:
    what = f"{fault} is missing" if isinstance(fault, KeyError) else str(fault)
    return error("AKC0601", f"{name} is no .akd file: {what}", help="akc build net.akir -o net.akd writes one")


def _sequence(members: dict[str, bytes], number: int, name: str, byte_map: Any) -> SequenceProgram:
    return SequenceProgram(
        sequence=str(name),
        info=members[f"sequences/{number}-{name}/info.bin"],
        data=members[f"sequences/{number}-{name}/data.bin"],
        map=tuple(ByteRange(**row) for row in byte_map[name]["ranges"]),
    )
