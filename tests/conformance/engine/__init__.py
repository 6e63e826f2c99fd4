# SPDX-License-Identifier: Apache-2.0
"""The vendor's engine, compiled from the source that its package deploys, on a bus of ours.

Nothing of it is kept in this repository: `build` deploys and compiles it into a folder of the test run.
It needs g++ and the header-only library of Debian's libflatbuffers-dev.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from akc.targets.akida1.driver.bus import REGISTER_SIZE, Bus
from akc.targets.akida1.driver.plan import ProgramInfo, read_program
from tests.conformance.needs import need_compiler

Array = npt.NDArray[Any]
ENGINE_VERSION = "2.19.3"
BRIDGE = Path(__file__).with_name("bridge.cpp")


def build(folder: Path) -> Path:
    """Deploy the engine's source, compile it with the bridge into a shared library, give its path."""
    compiler = need_compiler("flatbuffers/flatbuffers.h")
    deploy = Path(sys.executable).with_name("akida")
    subprocess.run([deploy, "engine", "deploy", "--dest-path", folder], check=True, capture_output=True)
    root = folder / "engine"
    flags = ["-std=c++17", "-O1", "-fPIC", f'-DAKIDA_VERSION="{ENGINE_VERSION}"']
    flags += [f"-I{root / part}" for part in ("api", "inc", "src")]
    sources = [*sorted((root / "src").glob("*.cpp")), BRIDGE]

    def compile(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        subprocess.run([compiler, *flags, "-c", str(source), "-o", str(target)], check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile, sources))
    library = folder / "libengine.so"
    subprocess.run([compiler, "-shared", *map(str, objects), "-o", str(library)], check=True)
    return library


class EngineFault(Exception):
    """The engine's panic, or a fault of the bus behind it."""


READ = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)
SLEEP = ctypes.CFUNCTYPE(None, ctypes.c_uint32)
CLOCK = ctypes.CFUNCTYPE(ctypes.c_int64)


class Engine:
    """The vendor's HardwareDevice over a bus."""

    info: ProgramInfo

    def __init__(self, library: Path, bus: Bus) -> None:
        self.bus = bus
        self.bus_fault: BaseException | None = None
        self._library = ctypes.CDLL(str(library))
        self._library.engine_open.restype = ctypes.c_void_p
        self._library.fault_text.restype = ctypes.c_char_p
        self._library.engine_learn_words.restype = ctypes.c_size_t
        self._callbacks = (
            READ(self._read),
            WRITE(self._write),
            SLEEP(lambda milliseconds: bus.sleep(milliseconds / 1000)),
            CLOCK(lambda: int(bus.clock() * 1000)),
        )
        handle = self._library.engine_open(
            *self._callbacks,
            bus.description.encode(),
            ctypes.c_uint32(bus.register_base),
            ctypes.c_uint32(bus.scratch_base),
            ctypes.c_uint32(bus.scratch_size),
        )
        if not handle:
            raise self._fault()
        self._handle = ctypes.c_void_p(handle)

    def _fault(self) -> Exception:
        fault = EngineFault(self._library.fault_text().decode())
        fault.__cause__ = self.bus_fault
        return fault

    def _register(self, address: int) -> bool:
        return 0 <= address - self.bus.register_base < REGISTER_SIZE

    def _read(self, address: int, target: Any, size: int) -> int:
        if not size:
            return 0
        try:
            one = self._register(address)
            data = self.bus.read32(address).to_bytes(4, "little") if one else self.bus.read(address, size)
            ctypes.memmove(target, data, size)
        except BaseException as fault:
            self.bus_fault = fault
            return 1
        return 0

    def _write(self, address: int, source: Any, size: int) -> int:
        try:
            data = ctypes.string_at(source, size)
            if self._register(address):
                self.bus.write32(address, int.from_bytes(data, "little"))
            else:
                self.bus.write(address, data)
        except BaseException as fault:
            self.bus_fault = fault
            return 1
        return 0

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the bridge; raises EngineFault."""
        if getattr(self._library, name)(self._handle, *arguments):
            raise self._fault()

    def program(self, program: bytes) -> None:
        """Program the device; the engine keeps pointing into the bytes."""
        self.call("engine_program", program, ctypes.c_size_t(len(program)))
        self.info, _ = read_program(program)

    def program_external(self, info: bytes, data: bytes, address: int) -> None:
        """Program from data that lie at an address already."""
        self.call("engine_program_external", info, ctypes.c_size_t(len(info)), ctypes.c_uint32(address))
        self.info, _ = read_program(info + data)

    def set_batch_size(self, size: int) -> None:
        """Inputs that may wait."""
        self.call("engine_set_batch_size", ctypes.c_size_t(size))

    def forward(self, inputs: Array, labels: Array | None = None) -> Array:
        """Outputs, int32; with labels: one learning step an input."""
        inputs = np.ascontiguousarray(inputs, np.uint8)
        outputs = np.zeros((len(inputs), *self.info.output_dims), np.int32)
        given = None if labels is None else np.ascontiguousarray(labels, np.int32).ctypes.data_as(ctypes.c_void_p)
        self.call(
            "engine_forward",
            inputs.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(len(inputs)),
            given,
            outputs.ctypes.data_as(ctypes.c_void_p),
        )
        return outputs

    def predict(self, input: Array) -> Array:
        """The rescaled potentials of one input, float32."""
        input = np.ascontiguousarray(input, np.uint8)
        result = np.zeros(self.info.output_dims, np.float32)
        self.call("engine_predict", input.ctypes.data_as(ctypes.c_void_p), result.ctypes.data_as(ctypes.c_void_p))
        return result

    def set_clock_counter(self, enabled: bool) -> None:
        """Clock counters on or off."""
        self.call("engine_toggle_clock", int(enabled))

    def read_clocks(self) -> tuple[int, int]:
        """Clock cycles of the last inference and of the last configuration transfer."""
        clocks = (ctypes.c_uint32 * 2)()
        self.call("engine_read_clocks", clocks)
        return clocks[0], clocks[1]

    def read_np_registers(self, place: tuple[int, int, int], count: int) -> Array:
        """Registers of an NP."""
        words = np.zeros(count, np.uint32)
        pointer = words.ctypes.data_as(ctypes.c_void_p)
        self.call("engine_read_registers", *(ctypes.c_uint8(n) for n in place), pointer, ctypes.c_uint32(count))
        return words

    def set_learning(self, enabled: bool) -> None:
        """Learning on or off."""
        self.call("engine_toggle_learn", int(enabled))

    def read_learned(self) -> bytes:
        """The learned weights."""
        words = np.zeros(self._library.engine_learn_words(self._handle), np.uint32)
        self.call("engine_read_learned", words.ctypes.data_as(ctypes.c_void_p))
        return words.tobytes()

    def write_learned(self, data: bytes) -> None:
        """Put learned weights back."""
        self.call("engine_write_learned", data)

    def unprogram(self) -> None:
        """Reset the device."""
        self.call("engine_unprogram")

    def close(self) -> None:
        """Destroy the engine's device."""
        self._library.engine_close(self._handle)
