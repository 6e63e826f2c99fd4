# SPDX-License-Identifier: Apache-2.0
"""The emulated AKD1000: registers, device memory, three DMA controllers, the mesh.

It knows what a driver writes and nothing else. Configuration tracks fill registers and memories of
the processors; a job decodes the network from those alone (kept until something is written again),
runs it on the job's events or pixels, and writes output events as the chip would. What the chip
could not do raises a ChipFault.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from akc.targets.akd1000.driver.bus import REGISTER_SIZE
from akc.targets.akd1000.driver.dma import CONFIG, EVENT, HEADER_WORDS, HRC
from akc.targets.akd1000.driver.errors import BadDescriptor, UnknownRegister
from akc.targets.akd1000.driver.registers import (
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
from akc.targets.akd1000.emulator.controllers import Controller
from akc.targets.akd1000.emulator.memory import Memory
from akc.targets.akd1000.emulator.network import Network, Result, decode
from akc.targets.akd1000.emulator.processors import Fabric

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


class Chip:
    """An AKD1000 without silicon. Addresses of registers are offsets here."""

    def __init__(self, identification: int = 0) -> None:
        self.identification = identification
        self.memory = Memory()
        self.fabric = Fabric()
        self.plain = dict.fromkeys(PLAIN, 0)
        self.config = Controller("configuration", CONFIG, self.memory, self._configure)
        self.event = Controller("event", EVENT, self.memory, self._run_events)
        self.hrc = Controller("HRC", HRC, self.memory, self._run_image)
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
        self.plain[self._known(offset)] = value
        if offset == CONTROL:
            self._control(value)
        else:
            self.fabric.changes += 1

    def _known(self, offset: int) -> int:
        if offset not in self.plain:
            where = "the register window" if 0 <= offset < REGISTER_SIZE else "outside of the register window"
            raise UnknownRegister(f"there is no register at offset {offset:#x} ({where})")
        return offset

    def _control(self, value: int) -> None:
        """Resets act while their bit is 1."""
        if top("multi_pass").get(value):
            raise UnknownRegister("an AKD1000 has no multi-pass mode")
        if top("core_reset").get(value):
            for controller in self.controllers.values():
                controller.reset()
        if top("mesh_reset").get(value) or top("logic_reset").get(value):
            self.fabric.reset_mesh()
        if top("image_reset").get(value):
            self.fabric.reset_image()

    # -- work --------------------------------------------------------------------------------------

    def _configure(self, job: Mapping[str, int]) -> None:
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

    def _run_events(self, job: Mapping[str, int]) -> None:
        words = self.memory.words(job["input"], job["words"])
        self._answer(self.event, job, self.network().run_events(words, job["learn_class"]))

    def _run_image(self, job: Mapping[str, int]) -> None:
        row_bytes = job["row_bytes_high"] << 16 | job["row_bytes"]
        if (job["window_rows"], job["window_row_bytes"]) != (job["rows"], row_bytes & 0xFFFF):
            raise BadDescriptor("the window of an image is not the part that is sent")
        starts = [job["input"] + row * job["stride_bytes"] for row in range(job["rows"])]
        rows = np.stack([np.frombuffer(self.memory.read(start, row_bytes), np.uint8) for start in starts])
        self._answer(self.hrc, job, self.network().run_image(rows, job["learn_class"]))

    def _answer(self, controller: Controller, job: Mapping[str, int], result: Result) -> None:
        """Header and events into memory, the job's id into the status register."""
        if not controller.get("output_header"):
            raise BadDescriptor(f"the {controller.name} DMA writes outputs without a header: not known")
        header = len(result.words).to_bytes(4, "little").ljust(controller.get("header_bytes"), b"\0")
        self.memory.write(job["output"], header + result.words.astype("<u4").tobytes())
        controller.put("job", job["job"])
        controller.registers[0x1C] = len(result.words)
        controller.count(result.cycles)
