# SPDX-License-Identifier: Apache-2.0
"""The emulated chip: registers, device memory, three DMA controllers, the mesh.

It knows what a driver writes and nothing else. Configuration tracks fill registers and memories of
the processors; a job decodes the network from those alone (kept until something is written again),
runs it on the job's events or pixels, and writes output events as the chip would. What the chip
could not do raises a ChipFault.

Nothing here goes on in the background. Pipelined jobs wait until somebody looks at what the chip
writes (status, job ids, memory) or changes what it computes with; then all of them are run at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from akc.targets.akida1.chip import Chip
from akc.targets.akida1.driver.bus import REGISTER_SIZE
from akc.targets.akida1.driver.chip_registers import (
    CONFIG_DMA,
    EPG,
    EPG_OFFSETS,
    EVENT_DMA,
    FNP2_ADDRESS,
    HRC_DMA,
    INTERRUPT_ENABLE,
    INTERRUPT_MASK,
    top,
)
from akc.targets.akida1.driver.dma import CONFIG, EVENT, HEADER_WORDS, HRC
from akc.targets.akida1.emulator.controllers import Controller, Job
from akc.targets.akida1.emulator.device_memory import Memory
from akc.targets.akida1.emulator.inputs import Array, read_rows
from akc.targets.akida1.emulator.network import Network, Result, decode
from akc.targets.akida1.emulator.processors import Fabric
from akc.targets.faults import BadDescriptor, UnknownRegister

CONTROL = top("core_reset").offset
PLAIN = (
    CONTROL,
    *(FNP2_ADDRESS + 4 * n for n in range(4)),
    INTERRUPT_ENABLE,
    INTERRUPT_MASK,
    *(EPG + o for o in EPG_OFFSETS),
)
"""Offsets of the registers outside of the DMA controllers."""
CONTROLLER_SIZE = 0x8000
CYCLES_PER_WORD = 4
"""Made-up clock cycles; a real chip's are not known."""


class EmulatedChip:
    """A chip without silicon. Addresses of registers are offsets here."""

    def __init__(self, chip: Chip, identification: int) -> None:
        self.chip = chip
        self.identification = identification
        self.memory = Memory()
        self.fabric = Fabric(chip)
        self.plain = dict.fromkeys(PLAIN, 0)
        self.config = Controller("configuration", CONFIG, self.memory, self._configure, self.finish)
        self.event = Controller("event", EVENT, self.memory, self._take_events, self.finish)
        self.hrc = Controller("HRC", HRC, self.memory, self._take_image, self.finish)
        self.controllers = {CONFIG_DMA: self.config, EVENT_DMA: self.event, HRC_DMA: self.hrc}
        self._network: Network | None = None
        self._decoded = -1

    # -- registers ---------------------------------------------------------------------------------

    def read_register(self, offset: int) -> int:
        """A 32-bit register; raises UnknownRegister."""
        if offset == 0:
            return self.identification
        controller = self.controllers.get(offset - offset % CONTROLLER_SIZE)
        if controller is not None:
            return controller.read(offset % CONTROLLER_SIZE)
        return self.plain[self._known(offset)]

    def write_register(self, offset: int, value: int) -> None:
        """A 32-bit register and all that follows from it. Raises ChipFault."""
        controller = self.controllers.get(offset - offset % CONTROLLER_SIZE)
        if controller is not None:
            controller.write(offset % CONTROLLER_SIZE, value)
            return
        known = self._known(offset)
        if offset == CONTROL:
            self.plain[known] = value
            self._control(value)
        else:
            self.finish()
            self.plain[known] = value
            self.fabric.changes += 1

    def _known(self, offset: int) -> int:
        if offset not in self.plain:
            where = "the register window" if 0 <= offset < REGISTER_SIZE else "outside of the register window"
            raise UnknownRegister(f"there is no register at offset {offset:#x} ({where})")
        return offset

    def _control(self, value: int) -> None:
        """Resets act while their bit is 1; a core reset drops the jobs that wait."""
        if top("multi_pass").get(value):
            raise UnknownRegister(f"an {self.chip.title} has no multi-pass mode")
        if top("core_reset").get(value):
            for controller in self.controllers.values():
                controller.reset()
        if value:
            self.finish()
        if top("mesh_reset").get(value) or top("logic_reset").get(value):
            self.fabric.reset_mesh()
        if top("image_reset").get(value):
            self.fabric.reset_image()

    # -- memory ------------------------------------------------------------------------------------

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of device memory; raises ChipFault."""
        self.finish()
        return self.memory.read(address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write device memory; the network is read again where its weights lie there. Raises ChipFault."""
        if self._network is not None and self._network.reads(address, len(data)):
            self.finish()
            self.fabric.changes += 1
        self.memory.write(address, data)

    # -- work --------------------------------------------------------------------------------------

    def _configure(self, job: Mapping[str, int]) -> None:
        self.finish()
        track = self.memory.words(job["source"], job["words"])
        if job["write"]:
            self.config.count(CYCLES_PER_WORD * self.fabric.play(track))
            return
        if job["words"] != HEADER_WORDS:
            raise BadDescriptor(f"a read descriptor has a header of {HEADER_WORDS} words, found {job['words']}")
        self.memory.write(job["destination"], self.fabric.read(track).astype("<u4").tobytes())

    def network(self) -> Network:
        """The network that registers and memories make now; raises BadGeometry and others."""
        if self._network is None or self._decoded != self.fabric.changes:
            gateway = {offset: self.plain[EPG + offset] for offset in EPG_OFFSETS}
            external = {n: self.plain[FNP2_ADDRESS + 4 * n] for n in range(4)}
            self._network = decode(self.fabric, gateway, external, self.memory)
            self._decoded = self.fabric.changes
        return self._network

    def _take_events(self, job: Mapping[str, int]) -> None:
        self._take(self.event, Job(job, self.memory.words(job["input"], job["words"])))

    def _take_image(self, job: Mapping[str, int]) -> None:
        row_bytes = job["row_bytes_high"] << 16 | job["row_bytes"]
        window = job["window_rows"], job["window_row_bytes"]
        whole = self.chip.dense and window == (0, 0)
        if not whole and window != (job["rows"], row_bytes & 0xFFFF):
            raise BadDescriptor("the window of an image is not the part that is sent")
        if not job["rows"] or not row_bytes:
            raise BadDescriptor(f"an image of {job['rows']} rows of {row_bytes} bytes")
        rows = read_rows(self.memory, job["input"], job["rows"], row_bytes, job["stride_bytes"] or row_bytes)
        self._take(self.hrc, Job(job, rows))

    def _take(self, controller: Controller, job: Job) -> None:
        """Without pipelining a job is done before the next one is looked at."""
        controller.waiting.append(job)
        if not controller.get("buffer_end"):
            self.finish()

    def finish(self) -> None:
        """Run every job that waits."""
        for controller, run in ((self.event, self._run_events), (self.hrc, self._run_images)):
            if controller.waiting:
                jobs, controller.waiting = controller.waiting, []
                run(jobs)

    def _run_events(self, jobs: Sequence[Job]) -> None:
        self._run(self.event, jobs, self.network().maps_of_events([job.payload for job in jobs]))

    def _run_images(self, jobs: Sequence[Job]) -> None:
        for _, group in groupby(jobs, lambda job: job.payload.shape):
            alike = list(group)
            self._run(self.hrc, alike, self.network().maps_of_rows([job.payload for job in alike]))

    def _run(self, controller: Controller, jobs: Sequence[Job], maps: Array) -> None:
        network = self.network()
        if network.learner is None:
            results = network.run(maps)
        else:
            results = [network.run_and_learn(m, job.fields["learn_class"]) for m, job in zip(maps, jobs, strict=True)]
        for job, result in zip(jobs, results, strict=True):
            self._answer(controller, job.fields, result)

    def _answer(self, controller: Controller, job: Mapping[str, int], result: Result) -> None:
        """Header and events into memory, the job's id into the status register."""
        if not controller.get("output_header"):
            raise BadDescriptor(f"the {controller.name} DMA writes outputs without a header: not known")
        header = result.words.to_bytes(4, "little").ljust(controller.get("header_bytes"), b"\0")
        self.memory.write(job["output"], header + result.data)
        controller.put("job", job["job"])
        controller.registers[0x1C] = result.words
        controller.count(result.cycles)
