# SPDX-License-Identifier: Apache-2.0
"""A chip with Akida 1.0 inside as a target of the compiler (akc.targets.Target): one class, the chip is data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import Convolutional, FullyConnected, InputConvolutional, Layer, SeparableConvolutional
from akc.targets import ImageNumbers, Note, Numbers, Progress, Registers, SequenceProgram, Warn, check_ways
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.program.engines import ENGINE_VERSION, PROVED

if TYPE_CHECKING:
    from akc.targets.akida1.driver.bus import Bus
    from akc.targets.akida1.driver.driver import Device

MODES = {
    "vendor": "as the vendor's tools do by default (MapMode.AllNps)",
    "vendor-minimal": "as their other mode does (MapMode.Minimal)",
    "vendor-hwpr": "as their MapMode.HwPr does: more NPs, if need be in more passes",
    "compact": "fewest NPs at the same largest load per NP",
}
CUTS = {
    "crossings": "fewest crossings between host and chip",
    "vendor": "as the vendor's tools do with hw_only=False",
    "vendor-minimal": "as they do in MapMode.Minimal",
}


@frozen(slots=False)
class Akida1:
    """The target of a chip."""

    chip: Chip

    @property
    def name(self) -> str:
        """As `--target` takes it."""
        return self.chip.name

    @property
    def title(self) -> str:
        """As its maker writes it."""
        return self.chip.title

    engine_version = ENGINE_VERSION
    engine_versions = PROVED
    cuts = CUTS

    @property
    def modes(self) -> Mapping[str, str]:
        """Ways to place a network."""
        return {name: MODES[name] for name in self.chip.modes}

    @property
    def layers(self) -> tuple[type[Layer], ...]:
        """The operations that it computes."""
        mesh = (Convolutional, SeparableConvolutional, FullyConnected)
        return (InputConvolutional, *mesh) if self.chip.image_layer else mesh

    @property
    def np_kinds(self) -> tuple[str, ...]:
        """The kinds of place of `at`: of the image front end, of NPs, of the host."""
        found = {kind for p in self.chip.mesh for kind in p.kinds} - {"cnp2"}
        return (*(("hrc",) if self.chip.image_layer else ()), *sorted(found), "host")

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers that passes shape a network by (docs/akd1000/limits.md)."""
        from akc.targets.akida1 import np_memory
        from akc.targets.akida1.limits import row, tests
        from akc.targets.akida1.tiles import TILE_D0

        image = ImageNumbers(
            bits=tests.IMAGE_BITS,
            kernels=tests.IMAGE_KERNELS,
            strides=tests.IMAGE_STRIDES,
            pools=tests.IMAGE_POOLS,
            pooled=tests.IMAGE_POOLED,
            filters=tests.IMAGE_FILTERS,
            smallest=tests.IMAGE_SMALLEST,
            widest=tests.IMAGE_WIDEST,
            registers=Registers(tests.IMAGE_REGISTER_BITS),
        )
        return Numbers(
            widths=tests.WIDTHS,
            registers=Registers(tests.REGISTER_BITS),
            decoding=tests.LARGEST_DECODING_STEPS,
            kernels=tests.KERNELS,
            separable_kernels=tests.SEPARABLE_KERNELS,
            pools=self.chip.pools,
            average=(tests.AVERAGE_ROWS, TILE_D0),
            channels=row.LARGEST_CHANNELS,
            filter_channels={key: np_memory.filter_channels(*key) for key in np_memory.CONV_LINES},
            dense_inputs=self.chip.dense_inputs,
            dense_memory=np_memory.FNP3_BYTES,
            image=image if self.chip.image_layer else None,
        )

    def dense_bytes(self, inputs: int, bits: int, units: int) -> int:
        """Bytes of weight memory that a dense layer takes."""
        from akc.targets.akida1.np_memory import dense_words

        return 4 * dense_words(inputs, bits, units)

    # -- what fits, and where ----------------------------------------------------------------------

    def check(self, module: Module) -> list[Diagnostic]:
        """Every fault and warning of a quantised module that can be found without placing it."""
        from akc.targets.akida1.limits import judge

        return judge.check(module, self.chip)

    def legal(self, module: Module, mode: str = "vendor") -> bool:
        """Whether the chip takes a quantised module as it stands."""
        try:
            self.place(module, mode)
        except DiagnosticError:
            return False
        return True

    def place(self, module: Module, mode: str = "vendor") -> Module:
        """Complete every `at`; raises DiagnosticError with all faults. mode: one of `modes`."""
        from akc.targets.akida1.placing.placement import place_module
        from akc.targets.akida1.placing.placers import PLACERS

        check_ways(self, mode, next(iter(self.cuts)))
        return place_module(module, PLACERS[mode], self.chip)

    def partition(
        self,
        module: Module,
        cut: str = "crossings",
        mode: str = "vendor",
        warn: Warn = lambda diagnostic: None,
    ) -> Module:
        """Cut what the chip does not take in one piece into sequences and host layers, all placed.

        cut: one of `cuts`; sequences of "crossings" are placed by `mode`. `warn` is told why a layer goes to
        the host.
        """
        from akc.targets.akida1.placing import partition
        from akc.targets.akida1.placing.placers import PLACERS

        check_ways(self, mode, cut)
        return partition.partition(module, partition.CUTS[cut](PLACERS[mode]), self.chip, warn)

    # -- programs ----------------------------------------------------------------------------------

    def assemble(self, module: Module, engine_version: str | None = None) -> tuple[SequenceProgram, ...]:
        """Programs of a placed module, one per sequence, in order."""
        from akc.targets.akida1.program.assemble import assemble

        return assemble(module, self.chip, engine_version or ENGINE_VERSION)

    def recognises(self, program: bytes) -> bool:
        """Whether a program is for this chip."""
        from akc.targets.akida1.reading.contents import device_of

        return device_of(program) == self.chip.version

    def disassemble(self, program: bytes) -> str:
        """A program as text with every field named; raises DiagnosticError AKC0605, AKC0610, AKC0611."""
        from akc.targets.akida1.reading.disassemble import disassemble

        return disassemble(program, self.chip)

    def recover(self, program: bytes) -> Module:
        """The network of a program, placed; raises DiagnosticError AKC0605, AKC0610, AKC0611, AKC0614."""
        from akc.targets.akida1.reading.recover import recover

        return recover(program, self.chip)

    def explain(self, first: bytes, second: bytes) -> str:
        """How two programs differ, in words; raises DiagnosticError."""
        from akc.targets.akida1.reading.layer_diff import explain

        return explain(first, second, self.chip)

    def report(self, module: Module, programs: Iterable[SequenceProgram] = ()) -> str:
        """What stands where and what memory it takes, of a placed module."""
        from akc.targets.akida1.reading.report import report

        return report(module, self.chip, programs)

    def report_facts(self, module: Module, programs: Iterable[SequenceProgram] = ()) -> dict[str, Any]:
        """The same as plain data."""
        from akc.targets.akida1.reading.report_facts import report_facts

        return report_facts(module, self.chip, programs)

    # -- devices -----------------------------------------------------------------------------------

    def emulate(self, progress: Progress | None = None, note: Note | None = None) -> Device:
        """A chip of this kind in this process."""
        from akc.targets.akida1.emulator.bus import EmulatorBus

        return self._device(EmulatorBus(self.chip), progress, note)

    def open(self, name: str, progress: Progress | None = None, note: Note | None = None) -> Device:
        """The chip behind /dev/akidaN or vfio:ADDRESS. Raises CannotOpen, DeviceBusy, WrongIdentification."""
        from akc.targets.akida1.driver.opening import open_bus
        from akc.targets.faults import CannotOpen

        if not self.chip.cards:
            raise CannotOpen(f"akc does not drive cards with an {self.title}", "the emulator runs its programs")
        return self._device(open_bus(name), progress, note)

    def _device(self, bus: Bus, progress: Progress | None, note: Note | None) -> Device:
        from akc.targets.akida1.driver.bus import RecordingBus
        from akc.targets.akida1.driver.driver import Device

        try:
            seen = bus if note is None else RecordingBus(bus, note)
            return Device(seen, self.chip) if progress is None else Device(seen, self.chip, progress)
        except BaseException:
            bus.close()
            raise

    def learned(self, module: Module, program: SequenceProgram, data: bytes) -> Module:
        """The module with what `read_learned` gave in place of its learning layer's weights."""
        from akc.targets.akida1.reading.learned import with_learned

        return with_learned(module, program.info, data)
