# SPDX-License-Identifier: Apache-2.0
"""The driver: what happens on the bus between a program, its inputs, and its outputs.

Order and values of all accesses are those of the vendor's openly shipped engine
(docs/akd1000/runtime.md, compared line for line in tests/conformance/test_engine.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.targets import LARGEST_BATCH, Progress
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.driver import control
from akc.targets.akida1.driver.bus import Bus
from akc.targets.akida1.driver.chip_registers import CONFIG_DMA, EVENT_DMA, HRC_DMA, dma
from akc.targets.akida1.driver.control import EVENT_SOURCE, HRC_SOURCE
from akc.targets.akida1.driver.controller import Controller
from akc.targets.akida1.driver.dma import CONFIG, EVENT, HRC
from akc.targets.akida1.driver.events import DENSE, encode_input, encode_inputs
from akc.targets.akida1.driver.payloads import (
    Answer,
    check_input,
    check_inputs,
    decode_answers,
    image_descriptor,
    input_bytes,
    output_bytes,
    read_answer,
    rescale,
)
from akc.targets.akida1.driver.plan import Place, ProgramInfo, read_info, read_program
from akc.targets.akida1.driver.programmer import Programmer
from akc.targets.akida1.driver.scratch import Scratch
from akc.targets.faults import (
    BadInput,
    BadOutput,
    DeviceError,
    SeveralPasses,
    TimedOut,
    WrongProgram,
    WrongState,
)

Array = npt.NDArray[Any]
SMALLEST_RING = 2
OUTPUT_SECONDS = 5.0
"""How long an output may take."""
ENCODED_AT_ONCE = 64
"""Inputs whose events are made in one go."""


@frozen
class Job:
    """An input that was handed to the chip."""

    id: int
    output: int


def _silent(done: int, total: int) -> None:
    """No progress is shown."""


class Device:
    """A chip behind a bus: program it, run inputs, learn, read clocks and registers.

    After any fault while the chip was working, and after Ctrl-C, the device is reset and unprogrammed:
    `programmed` is false and it can be programmed again. Calls that raise BadInput or WrongState left
    the chip untouched.
    """

    def __init__(self, bus: Bus, chip: Chip, progress: Progress = _silent) -> None:
        """Identify the device; raises WrongIdentification."""
        self.bus, self.chip, self.progress = bus, chip, progress
        self.scratch = Scratch(bus.scratch_base, bus.scratch_size)
        self.config = Controller(bus, CONFIG_DMA, CONFIG, self.scratch)
        self.event = Controller(bus, EVENT_DMA, EVENT, self.scratch)
        self.hrc = Controller(bus, HRC_DMA, HRC, self.scratch)
        self.version = control.identify(bus, chip)
        self.learning = False
        self.clock_counter = False
        self.programs = 0
        """How many programs were put on the chip so far: it tells whether the last one is still one's own."""
        self._unusable = ""
        """Why the device cannot be used any more; empty while it can."""
        self._programmer: Programmer | None = None
        self._forget_jobs(0, 0)

    # -- state -------------------------------------------------------------------------------------

    @property
    def programmed(self) -> bool:
        """Whether a program is on the chip."""
        return self._programmer is not None

    @property
    def info(self) -> ProgramInfo:
        """program_info of the program on the chip; raises WrongState if there is none."""
        return self._loaded().info

    @property
    def batch_size(self) -> int:
        """Inputs that may wait at a time; 0 before `set_batch_size`."""
        return self._slots

    def _loaded(self) -> Programmer:
        self._check_usable()
        if self._programmer is None:
            raise WrongState("no program is on the device", "call program(...) first; a fault or Ctrl-C unprograms it")
        return self._programmer

    def _check_usable(self) -> None:
        if self._unusable:
            raise WrongState(self._unusable, "open it again")

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Unprogram the chip when anything goes wrong inside, Ctrl-C included."""
        try:
            yield
        except BaseException as fault:
            if isinstance(fault, DeviceError) and fault.lost:
                self._lose(fault)
            else:
                self._recover()
            raise

    def _lose(self, fault: DeviceError) -> None:
        self._forget_program()
        self._unusable = "the device is gone" if fault.lost else ""

    def _recover(self) -> None:
        """Reset the chip after a fault; a second fault on the way leaves it marked unprogrammed."""
        try:
            self.unprogram()
        except DeviceError as second:
            self._lose(second)

    def _forget_program(self) -> None:
        self._programmer = None
        self.learning = False
        for controller in (self.config, self.event, self.hrc):
            controller.ring = None
        self.scratch.reset()
        self._forget_jobs(0, 0)

    def _forget_jobs(self, last: int, slots: int) -> None:
        self._job = self._fetched = last
        self._slot = 0
        self._slots = slots
        self._jobs: deque[Job] = deque()
        self._outputs = self._inputs = 0

    # -- programming -------------------------------------------------------------------------------

    def program(self, program: Any) -> None:
        """Put a program on the chip, in place of the one before.

        program: bytes (program_info followed by program_data), or anything that has them as `.bytes`,
        such as an `akc.Program` of one sequence. Raises DiagnosticError where the bytes are damaged,
        WrongProgram where they are for another device, TimedOut.
        """
        info, data = read_program(_raw(program))
        self._program(info, data)

    def program_external(self, info: bytes, address: int) -> None:
        """Program from data that already lie in device memory.

        info: program_info; address: chip address of program_data, its size prefix included.
        """
        self._program(read_info(info), address)

    def _program(self, info: ProgramInfo, data: bytes | int) -> None:
        self._check_usable()
        self._check_program(info)
        with self._working():
            self.unprogram()
            self.config.allocate_ring(SMALLEST_RING)
            control.set_single_pass(self.bus)
            self.config.start_as_config(SMALLEST_RING)
            programmer = Programmer(self.bus, self.config, self.scratch, info, data)
            programmer.program(self.learning, self.progress)
            control.enable_interrupts(self.bus, HRC_SOURCE if info.input_type == DENSE else EVENT_SOURCE)
            self._programmer = programmer
            self.programs += 1

    def _check_program(self, info: ProgramInfo) -> None:
        if info.device_version != self.version:
            raise WrongProgram(
                f"the program is for {_version_text(info.device_version)}, the device is {_version_text(self.version)}",
                "build it for this device",
            )
        if info.passes != 1:
            raise SeveralPasses(f"the program has {info.passes} passes; akc's driver takes one")

    def unprogram(self) -> None:
        """Reset core, mesh and timers, and forget the program; the chip is as after power-on."""
        self._forget_program()
        control.pulse(self.bus, "core_reset", "image_reset")
        self.bus.sleep(0.001)
        control.pulse(self.bus, "logic_reset", "mesh_reset")
        self._restore_timers()

    def _restore_timers(self) -> None:
        """Resets turn the timers off."""
        for controller in (self.event, self.hrc):
            controller.set_timer(self.clock_counter)

    # -- batches -----------------------------------------------------------------------------------

    def _input_controller(self) -> Controller:
        return self.hrc if self.info.input_type == DENSE else self.event

    def set_batch_size(self, size: int) -> int:
        """How many inputs may wait at a time; gives the size in force (at most 16).

        Raises WrongState while inputs wait, OutOfMemory.
        """
        if size < 1:
            raise BadInput(f"a batch has at least one input, found {size}")
        info = self._loaded().info
        if self._jobs:
            raise WrongState(f"{len(self._jobs)} inputs wait for their outputs", "fetch them first")
        size = min(size, LARGEST_BATCH)
        if size != self._slots:
            with self._working():
                self._change_batch(info, size)
        return size

    def _change_batch(self, info: ProgramInfo, size: int) -> None:
        inputs = self._input_controller()
        ring = max(size, SMALLEST_RING)
        inputs.free_ring()
        inputs.allocate_ring(ring)
        inputs.start_as_input(ring)
        self._restore_timers()
        self._pipeline()
        last = inputs.get("job")
        buffers = self._outputs, self._inputs
        self._forget_jobs(last, size)
        self._outputs = self._reallocate(buffers[0], output_bytes(info) * size)
        self._inputs = self._reallocate(buffers[1], input_bytes(info) * size)
        if self.chip.dense:
            dense = info.output_type == DENSE
            words = output_bytes(info) // 4 if dense else 0
            inputs.write("clear_words", dma("clear_output").put(words, int(dense)))

    def _reallocate(self, old: int, size: int) -> int:
        if old:
            self.scratch.free(old)
        return self.scratch.allocate(size)

    def _pipeline(self) -> None:
        for controller in (self.event, self.hrc):
            controller.pipeline(not self.learning)

    # -- inputs and outputs ------------------------------------------------------------------------

    def enqueue(self, input: Array, label: int | None = None) -> bool:
        """Hand an input to the chip; false if as many wait as the batch size allows.

        input: levels [d0, d1, channels], uint8; label: its class, while learning. Raises BadInput.
        """
        levels = check_input(self.info, np.asarray(input))
        self._check_label(label)
        return self._enqueue(encode_input(levels, self.info.input_type), label)

    def _enqueue(self, data: bytes, label: int | None) -> bool:
        if not self._ready():
            return False
        with self._working():
            job = self._next_job()
            address = self._inputs + input_bytes(self.info) * self._slot
            self.bus.write(address, data)
            self._submit(job, address, len(data) // 4, label)
        return True

    def enqueue_external(self, address: int, words: int = 0, label: int | None = None) -> bool:
        """Hand over an input that already lies in device memory, in the chip's own format.

        words: its 32-bit words where the program takes events.
        """
        self._check_label(label)
        if self.info.input_type != DENSE and words < 2:
            raise BadInput("an input of events has at least one pair of words", "give words=")
        if not self._ready():
            return False
        with self._working():
            self._submit(self._next_job(), address, words, label)
        return True

    def _ready(self) -> bool:
        self._loaded()
        if not self._slots:
            raise WrongState("the batch size is not set", "call set_batch_size(...) first")
        if self.learning and self._slots > 1:
            raise WrongState(f"{self._slots} inputs may wait, learning takes one", "call set_batch_size(1) first")
        return len(self._jobs) < self._slots

    def _next_job(self) -> Job:
        self._job = (self._job + 1) & 0xFFFF
        self._slot = (self._slot + 1) % self._slots
        return Job(self._job, self._outputs + output_bytes(self.info) * self._slot)

    def _submit(self, job: Job, address: int, words: int, label: int | None) -> None:
        dense = self.info.input_type == DENSE
        self.hrc.run(dense)
        self.event.run(not dense)
        learn_class = 0 if label is None else label + 1
        descriptor = (
            image_descriptor(self.info, job.id, job.output, address, learn_class)
            if dense
            else EVENT.pack(job=job.id, input=address, words=words, output=job.output, learn_class=learn_class)
        )
        self._jobs.append(job)
        self._input_controller().push(descriptor)

    def fetch(self) -> Array | None:
        """The oldest output that is ready, int32 [d0, d1, channels] (levels or potentials), or None.

        Raises BadOutput where the chip's answer cannot be an output.
        """
        answer = self._fetch()
        if answer is None:
            return None
        with self._working():
            output: Array = decode_answers(self.info, [answer])[0]
        return output

    def _fetch(self) -> Answer | None:
        info = self._loaded().info
        if not self._jobs:
            return None
        with self._working():
            inputs = self._input_controller()
            finished = inputs.get("job")
            if finished == self._fetched:
                return None
            if all(job.id != finished for job in self._jobs):
                waiting = f"{self._jobs[0].id} to {self._jobs[-1].id}"
                raise BadOutput(f"the device says that job {finished} is done, {waiting} were handed over")
            inputs.clear()
            job = self._jobs.popleft()
            self._fetched = job.id
            return read_answer(self.bus, info, job.id, job.output)

    # -- whole batches -----------------------------------------------------------------------------

    def forward(self, inputs: Sequence[Array] | Array, batch: int = LARGEST_BATCH) -> Array:
        """Outputs of many inputs, int32 [n, d0, d1, channels]: levels, or potentials without activation.

        inputs: [n, d0, d1, channels] or a list; all are checked before the first one is sent.
        """
        if self.learning:
            raise WrongState("learning is on", "use fit(...), or set_learning(False) first")
        return self._run(inputs, None, batch)

    def predict(self, inputs: Sequence[Array] | Array, batch: int = LARGEST_BATCH) -> Array:
        """As forward, and potentials rescaled to float32: (potential - shift) * scale, as the vendor's engine does."""
        return rescale(self.info, self.forward(inputs, batch))

    def fit(self, inputs: Sequence[Array] | Array, labels: Sequence[int] | None = None) -> Array:
        """Learn from inputs one by one; gives their outputs before each step."""
        if not self.learning:
            raise WrongState("learning is off", "call set_learning(True) first")
        if labels is not None and len(labels) != len(inputs):
            raise BadInput(f"{len(inputs)} inputs have {len(labels)} labels")
        return self._run(inputs, labels, 1)

    def _run(self, inputs: Sequence[Array] | Array, labels: Sequence[int] | None, batch: int) -> Array:
        levels = check_inputs(self.info, inputs)
        for label in () if labels is None else labels:
            self._check_label(label)
        self.set_batch_size(min(batch, len(levels)))
        with self._working():
            return np.concatenate(list(self._pump(levels, labels)))

    def _pump(self, levels: Array, labels: Sequence[int] | None) -> Iterator[Array]:
        """Keep the queue full and fetch what is ready until every output is there."""
        info, total = self.info, len(levels)
        encoded = (
            data
            for first in range(0, total, ENCODED_AT_ONCE)
            for data in encode_inputs(levels[first : first + ENCODED_AT_ONCE], info.input_type)
        )
        following = next(encoded, None)
        done = sent = 0
        limit = self.bus.clock() + OUTPUT_SECONDS
        while done < total:
            while following is not None and self._enqueue(following, None if labels is None else labels[sent]):
                following = next(encoded, None)
                sent += 1
            ready = list(iter(self._fetch, None))
            if ready:
                yield decode_answers(info, ready)
                done += len(ready)
                limit = self.bus.clock() + OUTPUT_SECONDS
            self.progress(done, total)
            if not ready:
                self._idle(limit, done, total)

    def _idle(self, limit: float, done: int, total: int) -> None:
        if self.bus.clock() > limit:
            raise TimedOut(
                f"no output for {OUTPUT_SECONDS:g} s, {done} of {total} had come",
                "the device was reset; program it again",
            )
        self.bus.sleep(0.0002)

    # -- checks ------------------------------------------------------------------------------------

    def _check_label(self, label: int | None) -> None:
        if label is None:
            return
        if not self.learning:
            raise WrongState("a label is given, but learning is off", "call set_learning(True) first")
        if not 0 <= label < 1023:
            raise BadInput(f"a label lies in 0..1022, found {label}")

    # -- learning ----------------------------------------------------------------------------------

    def set_learning(self, enabled: bool) -> None:
        """Switch edge learning on or off; while it is on, the batch size must be 1. Raises WrongState."""
        programmer = self._loaded()
        if self._jobs:
            raise WrongState(f"{len(self._jobs)} inputs wait for their outputs", "fetch them first")
        programmer.learned_words()
        with self._working():
            programmer.play_learning_registers(enabled)
            self.learning = enabled
            self._pipeline()

    def read_learned(self) -> bytes:
        """The learning layer's weights, thresholds and swap counts as the chip holds them."""
        programmer = self._loaded()
        programmer.learned_words()
        with self._working():
            return programmer.read_learned()

    def write_learned(self, data: bytes) -> None:
        """Put back what `read_learned` gave, after another program() for example. Raises BadInput."""
        self._loaded().write_learned(data)

    # -- clocks and registers ----------------------------------------------------------------------

    def set_clock_counter(self, enabled: bool) -> None:
        """Whether the chip counts clock cycles; stays as set over programs."""
        self.clock_counter = enabled
        self._restore_timers()

    def read_clock_counter(self) -> int:
        """Clock cycles of the last inference (both input controllers are asked, the larger counts)."""
        return max(self.event.get("timer"), self.hrc.get("timer"))

    def read_config_clock_counter(self) -> int:
        """Clock cycles of the last configuration transfer."""
        return self.config.get("timer")

    def read_np_registers(self, place: Place, count: int) -> npt.NDArray[np.uint32]:
        """The first `count` registers of the NP at (column, row, id)."""
        programmer = self._loaded()
        with self._working():
            return programmer.read_registers(place, count)

    # -- life --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the device; what is on the chip stays there. Harmless when called twice."""
        self._forget_program()
        self._unusable = "the device is closed"
        self.bus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


def _raw(program: Any) -> bytes:
    raw = program if isinstance(program, bytes | bytearray | memoryview) else getattr(program, "bytes", None)
    if not isinstance(raw, bytes | bytearray | memoryview):
        raise WrongProgram(f"a {type(program).__name__} is no program", "akc.build(module) makes one")
    return bytes(raw)


def _version_text(version: Sequence[int]) -> str:
    return ".".join(f"{part:02X}" for part in version)
