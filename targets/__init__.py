# SPDX-License-Identifier: Apache-2.0
"""Targets: chips that akc compiles for.

One is added by a folder and a row of `TARGETS`, or from another package by an entry point of the group `akc.targets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from attrs import field, frozen
from attrs.validators import instance_of

from akc.base.calls import unknown_word
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Array, Module, Op


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


@frozen
class Registers:
    """What the registers of a layer's threshold and act_step hold.

    bits: of a signed threshold, and of an act_step in sixteenths.
    """

    bits: int

    @property
    def threshold(self) -> int:
        """The largest magnitude of a threshold."""
        return int(2 ** (self.bits - 1) - 1)

    @property
    def sixteenths(self) -> int:
        """The largest act_step, in sixteenths."""
        return int(2**self.bits - 1)


@frozen(kw_only=True)
class ImageNumbers:
    """What an image front end takes.

    bits: of a pixel, and of a weight; kernels, strides, pools: on each axis; filters: the most by
    (channels, kernel); smallest: cells on each axis, at least; widest: cells along d1, at most; pooled: cells
    along d1 behind a pool, at least; registers: of its thresholds and steps.
    """

    bits: int
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    pools: tuple[int, ...]
    pooled: int
    filters: Mapping[tuple[int, int], int]
    smallest: int
    widest: int
    registers: Registers


@frozen(kw_only=True)
class Numbers:
    """The numbers of a chip that passes shape a network by.

    widths: bits that weights and levels may have; registers: of a layer's thresholds and steps; decoding: the
    largest act_step of a layer whose potentials come out, of a convolution and of a dense layer; kernels: of a
    convolution, by stride; separable_kernels: of a separable one; pools: sizes of square max pools; average:
    fewest cells along d1 and most along d0 in front of a global average; channels: of a layer, at most;
    filter_channels: input channels of a single filter that fit a processor's memory, by (kernel, weight bits);
    dense_inputs: of a dense layer, at most; dense_memory: bytes of weights of a dense layer inside the chip;
    image: the image front end, None where there is none.
    """

    widths: tuple[int, ...]
    registers: Registers
    decoding: tuple[int, int]
    kernels: Mapping[int, tuple[int, ...]]
    separable_kernels: tuple[int, ...]
    pools: tuple[int, ...]
    average: tuple[int, int]
    channels: int
    filter_channels: Mapping[tuple[int, int], int]
    dense_inputs: int
    dense_memory: int
    image: ImageNumbers | None

    @property
    def bits(self) -> int:
        """Bits of weights and levels unless the user says otherwise: as many as there may be."""
        return max(self.widths)

    def largest(self, stride: int = 1) -> int:
        """The largest kernel of a convolution with this stride; 0 where there is none."""
        return max(self.kernels.get(stride, (0,)))

    def smallest(self, depthwise: bool = False) -> int:
        """The smallest kernel with stride 1, of a separable convolution or of a plain one."""
        return min(self.separable_kernels if depthwise else self.kernels[1])


Warn = Callable[[Diagnostic], None]
Progress = Callable[[int, int], None]
Note = Callable[[str], None]

LARGEST_BATCH = 16
"""Inputs that may wait on a device at a time."""


class Device(Protocol):
    """A chip that answers: what a target's `device` gives. Calls raise akc.targets.faults.DeviceError."""

    progress: Progress
    programs: int
    """How many programs were put on it so far: it tells whether the last one is still one's own."""

    @property
    def programmed(self) -> bool:
        """Whether a program is on it."""

    def program(self, program: Any) -> None:
        """Put the bytes of one sequence on it."""

    def forward(self, inputs: Any, batch: int = LARGEST_BATCH) -> Array:
        """Levels or potentials, int32 [n, d0, d1, channels], of inputs [n, d0, d1, channels]."""

    def predict(self, inputs: Any, batch: int = LARGEST_BATCH) -> Any:
        """As forward, potentials rescaled to float32."""

    def fit(self, inputs: Any, labels: Any = None) -> Array:
        """Learn from inputs one by one; gives their outputs from before each step."""

    def set_learning(self, enabled: bool) -> None:
        """Switch edge learning on or off."""

    def read_learned(self) -> bytes:
        """What the learning layer holds."""

    def write_learned(self, data: bytes) -> None:
        """Put back what `read_learned` gave."""

    def set_clock_counter(self, enabled: bool) -> None:
        """Whether clock cycles are counted."""

    def read_clock_counter(self) -> int:
        """Clock cycles of the last inference."""

    def close(self) -> None:
        """Let go of it."""


class Target(Protocol):
    """Everything that the compiler, the verbs and the devices ask of a chip (docs/writing-a-target.md)."""

    @property
    def name(self) -> str:
        """As `--target` takes it."""

    @property
    def title(self) -> str:
        """The chip as its maker writes it."""

    @property
    def numbers(self) -> Numbers:
        """The numbers that passes shape a network by."""

    @property
    def layers(self) -> tuple[type[Op], ...]:
        """The operations that it computes."""

    @property
    def np_kinds(self) -> tuple[str, ...]:
        """The kinds of place that `at` may name."""

    @property
    def modes(self) -> Mapping[str, str]:
        """Ways to place a network, and what each does; the first is the usual one."""

    @property
    def cuts(self) -> Mapping[str, str]:
        """Ways to cut a network that the chip takes only in part; the first is the usual one."""

    @property
    def engine_version(self) -> str:
        """The version of the vendor's engine that programs are for unless the user says otherwise."""

    @property
    def engine_versions(self) -> tuple[str, ...]:
        """All versions whose layout of programs is known."""

    def dense_bytes(self, inputs: int, bits: int, units: int) -> int:
        """Bytes of weight memory that a dense layer takes."""

    def check(self, module: Module) -> list[Diagnostic]:
        """Every fault and warning of a quantised module that can be found without placing it."""

    def legal(self, module: Module, mode: str = "vendor") -> bool:
        """Whether the chip takes a quantised module as it stands: no limit is broken, every layer finds a place."""

    def place(self, module: Module, mode: str = "vendor") -> Module:
        """Complete every `at`; raises DiagnosticError with all faults. Partial pins are honoured."""

    def partition(self, module: Module, cut: str = "crossings", mode: str = "vendor", warn: Warn = ...) -> Module:
        """Cut what the chip does not take in one piece into sequences and host layers, all placed.

        `warn` is told why a layer goes to the host.
        """

    def assemble(self, module: Module, engine_version: str | None = None) -> tuple[SequenceProgram, ...]:
        """Programs of a placed module, one per sequence, in order."""

    def recognises(self, program: bytes) -> bool:
        """Whether a program is for this chip."""

    def disassemble(self, program: bytes) -> str:
        """A program as text with every field named; raises DiagnosticError."""

    def recover(self, program: bytes) -> Module:
        """The network of a program, placed; raises DiagnosticError."""

    def explain(self, first: bytes, second: bytes) -> str:
        """How two programs differ, in words; raises DiagnosticError."""

    def report(self, module: Module, programs: Iterable[SequenceProgram] = ()) -> str:
        """What stands where and what memory it takes, of a placed module."""

    def report_facts(self, module: Module, programs: Iterable[SequenceProgram] = ()) -> dict[str, Any]:
        """The same as plain data."""

    def emulate(self, progress: Progress | None = None, note: Note | None = None) -> Device:
        """A chip of this kind in this process."""

    def open(self, name: str, progress: Progress | None = None, note: Note | None = None) -> Device:
        """The chip behind a name, `/dev/akida0` or `vfio:0000:01:00.0`; note: is told every access in a line."""

    def learned(self, module: Module, program: SequenceProgram, data: bytes) -> Module:
        """The module with what `Device.read_learned` gave in place of its learning layer's weights."""


GROUP = "akc.targets"
"""The entry points by which other packages add a target: its name, and `package.module:object`."""

TARGETS = {"akd1000": "akc.targets.akd1000:TARGET", "akd1500": "akc.targets.akd1500:TARGET"}
"""akc's own targets, as entry points are written."""


def _others() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in TARGETS}


def target_names() -> tuple[str, ...]:
    """The names of all targets, akc's own first."""
    return (*TARGETS, *sorted(_others()))


def load_target(name: str) -> Target:
    """The target of this name; raises DiagnosticError AKC0912."""
    if isinstance(name, str) and name in TARGETS:
        module, _, attribute = TARGETS[name].partition(":")
        return getattr(import_module(module), attribute)  # type: ignore[no-any-return]
    point = _others().get(name) if isinstance(name, str) else None
    if point is None:
        raise DiagnosticError(unknown_word("target", name, target_names()))
    return point.load()  # type: ignore[no-any-return]


def check_ways(target: Target, mode: str, cut: str) -> None:
    """Raise DiagnosticError AKC0912 for ways to place or to cut that a target does not have."""
    given = (("place", mode, target.modes), ("cut", cut, target.cuts))
    faults = [unknown_word(name, word, known) for name, word, known in given if word not in known]
    if faults:
        raise DiagnosticError(faults)


def target_of(program: bytes) -> Target:
    """The target that a program is for; the first one where none says that it is, to word the fault."""
    targets = [load_target(name) for name in target_names()]
    return next((target for target in targets if target.recognises(program)), targets[0])
