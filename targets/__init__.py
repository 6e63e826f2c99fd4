# SPDX-License-Identifier: Apache-2.0
"""Targets: chips that akc assembles for. A second one is added by a folder and a row of `TARGETS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

from attrs import field, frozen
from attrs.validators import instance_of

from akc.base.calls import unknown_word
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module


@frozen(kw_only=True)
class ByteRange:
    """Bytes [start, end) of `part` ("info" or "data") that hold one thing of one layer.

    layer: name of the op's result; what: "weights", "thresholds", "registers", ...; place: the NP, as text;
    count, stride: the same again, `count` times in all, `stride` bytes apart (once for each unit of a dense layer).
    """

    part: str = field(validator=instance_of(str))
    start: int = field(validator=instance_of(int))
    end: int = field(validator=instance_of(int))
    layer: str = field(validator=instance_of(str))
    what: str = field(validator=instance_of(str))
    place: str = field(default="", validator=instance_of(str))
    count: int = field(default=1, validator=instance_of(int))
    stride: int = field(default=0, validator=instance_of(int))

    @property
    def size(self) -> int:
        """Bytes in all."""
        return (self.end - self.start) * self.count

    @property
    def spans(self) -> Iterator[range]:
        """The bytes of each repetition."""
        return (range(self.start + n * self.stride, self.end + n * self.stride) for n in range(self.count))


@frozen(kw_only=True)
class SequenceProgram:
    """One assembled hardware sequence.

    info, data: the two size-prefixed FlatBuffers exactly as the chip's driver wants them; `bytes` is
    both in one piece; map: which bytes hold what.
    """

    sequence: str
    info: bytes = field(repr=False)
    data: bytes = field(repr=False)
    map: tuple[ByteRange, ...] = field(default=(), repr=False)

    @property
    def bytes(self) -> bytes:
        """program_info followed by program_data."""
        return self.info + self.data


class Target(Protocol):
    """What the compiler asks of a chip."""

    name: str
    engine_version: str
    """The version of the vendor's engine that programs carry unless the user says otherwise."""

    def check(self, module: Module) -> list[Diagnostic]:
        """Every fault and warning of a quantised module that can be found without placing it."""

    def place(self, module: Module, mode: str = "vendor") -> Module:
        """Complete every `at`; raises DiagnosticError with all faults. Partial pins are honoured."""

    def partition(
        self,
        module: Module,
        way: str = "crossings",
        mode: str = "vendor",
        warn: Callable[[Diagnostic], None] = lambda diagnostic: None,
    ) -> Module:
        """Cut what the chip does not take in one piece into sequences and host layers, all placed."""

    def assemble(self, module: Module, engine_version: str | None = None) -> tuple[SequenceProgram, ...]:
        """Programs of a placed module, one per sequence, in order."""


TARGETS = {"akd1000": "akc.targets.akd1000"}
"""Name of each target and the module whose `TARGET` it is."""


def load_target(name: str) -> Any:
    """The target of this name; raises DiagnosticError AKC0912."""
    if not isinstance(name, str) or name not in TARGETS:
        raise DiagnosticError(unknown_word("target", name, TARGETS))
    return import_module(TARGETS[name]).TARGET
