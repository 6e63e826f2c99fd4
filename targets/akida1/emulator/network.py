# SPDX-License-Identifier: Apache-2.0
"""The network that the emulated chip holds: read from registers and memories, run with an arithmetic of its own.

Layers are computed whole (akc.targets.akida1.emulator.arithmetic), not event by event, and once for all jobs that
wait in the pipeline.
Potentials leave the chip in the bits that its output events have (26 or 20), so a network whose
potentials may exceed them (limits warn) differs from the simulator here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import define, field, frozen

from akc.base.diagnostics import DiagnosticError
from akc.ir.ops.akida import FullyConnected
from akc.targets.akida1.driver.events import (
    CNP,
    FNP,
    HRC,
    OUTPUT_FORMATS,
    Events,
    Words,
    dense_output_type,
    split_words,
)
from akc.targets.akida1.emulator import learning
from akc.targets.akida1.emulator.arithmetic import Map, compute
from akc.targets.akida1.emulator.dense_layer import DenseState, chip_inputs, decode_dense, read_state
from akc.targets.akida1.emulator.device_memory import Memory
from akc.targets.akida1.emulator.image_layer import check_image, check_output, decode_image, read_channels, read_mode
from akc.targets.akida1.emulator.inputs import read_events
from akc.targets.akida1.emulator.layer import DecodedLayer
from akc.targets.akida1.emulator.processors import FNP_WEIGHTS, Block, Fabric, Processor
from akc.targets.akida1.emulator.routes import check_gateway, check_handover, check_routes
from akc.targets.akida1.emulator.window_layer import decode_window, read_share
from akc.targets.akida1.program import fnp_memory
from akc.targets.akida1.program.registers import FNP as FNP_REGISTERS
from akc.targets.akida1.program.registers import np_block
from akc.targets.faults import BadEvent, BadGeometry, ChipFault

POTENTIAL_BITS = 32
Array = npt.NDArray[Any]


@frozen
class Result:
    """What one job gives: its data as they lie in memory, how many words they are, and made-up clock cycles."""

    data: bytes
    words: int
    cycles: int

    @classmethod
    def of_events(cls, words: Words, arrived: int) -> Result:
        """An output of events."""
        return cls(words.astype("<u4").tobytes(), len(words), arrived + len(words))

    @classmethod
    def of_map(cls, map: Array, bits: int, arrived: int) -> Result:
        """A whole map of values of so many bits."""
        data = np.ascontiguousarray(map, dense_output_type(bits)).tobytes()
        return cls(data, -(-len(data) // 4), arrived + map.size)


def decode(fabric: Fabric, gateway: Mapping[int, int], external: Mapping[int, int], memory: Memory) -> Network:
    """Read the network; raises BadGeometry where registers and memories make none.

    gateway: words of the event gateway by offset; external: address of the weights of each FNP2 by id.
    """
    try:
        return _decode(fabric, gateway, external, memory)
    except ChipFault:
        raise
    except DiagnosticError as fault:
        raise BadGeometry(fault.diagnostics[0].message) from None


def _decode(fabric: Fabric, gateway: Mapping[int, int], external: Mapping[int, int], memory: Memory) -> Network:
    dense = fabric.chip.dense
    mode = read_mode(fabric.image, dense)
    image = None if mode["bypass"] else decode_image(fabric.image)
    network = Network(image=image, memory=memory, fabric=fabric, dense_output=bool(mode["dense_output"]))
    if dense and image is None:
        network.channels = read_channels(fabric.image)
    groups = _by_layer(fabric)
    if bool(groups) == bool(mode["to_dma"]) or not (groups or image):
        raise BadGeometry(
            "the image layer sends its results to the mesh and there is none"
            if not groups
            else "the image layer sends its results past the mesh"
        )
    for number, processors in enumerate(groups, 1):
        network.add(f"layer{number}", processors, external)
    if groups:
        check_routes(network.layers, image is not None, fabric.chip.event_dma)
        network.flat = check_gateway(gateway, network.layers[0], image is not None, dense)
    return network


def _by_layer(fabric: Fabric) -> list[list[Processor]]:
    """Processors in groups by their layer number; the numbers must run from 1 without a gap."""
    groups: dict[int, list[Processor]] = {}
    for place in sorted(fabric.processors):
        processor = fabric.processors[place]
        if processor.registers is None:
            raise BadGeometry(f"NP {place} has memories but no registers")
        groups.setdefault(int(processor.registers[3]) >> 24, []).append(processor)
    if sorted(groups) != list(range(1, len(groups) + 1)):
        raise BadGeometry(f"the layers on the mesh are numbered {sorted(groups)}")
    return [groups[number] for number in sorted(groups)]


@define
class Network:
    """Layers in order, and how their input and output events look."""

    image: DecodedLayer | None
    memory: Memory
    fabric: Fabric
    layers: list[DecodedLayer] = field(factory=list)
    outside: list[tuple[int, int]] = field(factory=list)
    flat: bool = False
    dense_output: bool = False
    channels: int | None = None
    """Channels of an input that comes as a whole map without image layer."""
    learner: DenseState | None = None
    random: np.random.Generator = field(factory=lambda: np.random.default_rng(0))

    def add(self, name: str, processors: list[Processor], external: Mapping[int, int]) -> None:
        """Read one more layer from its processors."""
        assert processors[0].registers is not None
        if np_block(processors[0].registers) is not FNP_REGISTERS:
            self.layers.append(decode_window(name, [read_share(p) for p in processors]))
            return
        if len(processors) > 1:
            raise BadGeometry(f"a dense layer is on {len(processors)} processors, it takes one")
        state = read_state(processors[0], external, self.memory, self.fabric.chip)
        self.layers.append(decode_dense(name, state, self._channels_before()))
        if state.address is not None:
            self.outside.append((state.address, state.address + 4 * len(state.words)))
        if state.registers["learning_on"]:
            self.learner = state

    def reads(self, address: int, size: int) -> bool:
        """Whether some of these bytes of device memory are weights of an FNP2."""
        return any(start < address + size and address < end for start, end in self.outside)

    def _channels_before(self) -> int | None:
        """Channels that the next layer gets; None if it is the first and takes events."""
        before = self.layers[-1] if self.layers else self.image
        return self.channels if before is None else before.filters

    # -- jobs --------------------------------------------------------------------------------------

    def maps_of_events(self, blocks: Sequence[Words]) -> Array:
        """The events of several jobs as maps [n, d0, d1, channels]; raises BadEvent."""
        if self.image is not None:
            raise BadEvent("events arrive, but the image layer is the first layer")
        if self.channels is not None:
            raise BadEvent("events arrive, but this chip takes whole maps")
        first = self.layers[0]
        assert first.size is not None
        return read_events(blocks, self.flat, (*first.size, first.channels), max(first.input_bits))

    def maps_of_rows(self, images: Sequence[Array]) -> Array:
        """Rows of pixels of several jobs, uint8 [rows, row bytes], as maps; raises BadEvent, BadGeometry."""
        if self.channels is not None:
            return self._whole_maps(np.stack(images), self.channels)
        if self.image is None:
            raise BadEvent("an image arrives, but there is no image layer")
        rows, row_bytes = images[0].shape
        if row_bytes % self.image.channels:
            raise BadEvent(f"rows of {row_bytes} bytes hold no whole pixels of {self.image.channels} channels")
        maps = np.stack(images).reshape(len(images), rows, -1, self.image.channels)
        check_image(self.image, maps.shape[1:3])
        return maps

    def _whole_maps(self, rows: Array, channels: int) -> Array:
        """Rows of levels [n, rows, row bytes] as maps of the first layer."""
        if rows.shape[2] % channels:
            raise BadEvent(f"rows of {rows.shape[2]} bytes hold no whole cells of {channels} channels")
        maps = rows.reshape(len(rows), rows.shape[1], -1, channels)
        first = self.layers[0]
        if maps.shape[1:] != (*(first.size or ()), first.channels):
            raise BadEvent(f"a map of {maps.shape[1:]} arrives, the first layer takes {first.size}, {first.channels}")
        if maps.max(initial=0) >= 1 << max(first.input_bits):
            raise BadEvent(f"a level of {int(maps.max())} does not fit {max(first.input_bits)} bits")
        return maps

    def run(self, maps: Array) -> list[Result]:
        """Jobs without learning: every layer is computed once for all of them."""
        *_, results = self.values(maps)
        return self._results(results, maps)

    def _results(self, results: Map, maps: Array) -> list[Result]:
        """What leaves the chip: events, or whole maps."""
        arrived = np.count_nonzero(maps.reshape(len(maps), -1), axis=1).tolist()
        if self.dense_output:
            check_output(self.fabric.image, results.shape[1:])
            fields = self._last.fields
            bits = int(fields["act_bits"]) if fields.get("activation", True) else POTENTIAL_BITS
            return [Result.of_map(map, bits, count) for map, count in zip(results, arrived, strict=True)]
        events, counts = Events.of_maps(results)
        blocks = split_words(self._writer(events), counts)
        return [Result.of_events(words, count) for words, count in zip(blocks, arrived, strict=True)]

    def run_and_learn(self, map: Array, learn_class: int) -> Result:
        """One job [d0, d1, channels], then the learning layer's step on it; the result is from before the step."""
        assert self.learner is not None
        *_, levels, result = self.values(map[None])
        self._learn(self.learner, levels[0], learn_class)
        (answer,) = self._results(result, map[None])
        return answer

    def values(self, maps: Array) -> list[Map]:
        """The input of several jobs [n, d0, d1, channels] and what each layer makes of it. Raises BadGeometry."""
        values = [maps.astype(np.int64)]
        before: DecodedLayer | None = None
        for layer in (*([self.image] if self.image else []), *self.layers):
            if before is not None:
                check_handover(before, values[-1].shape[1:], layer)
            values.append(compute(layer, values[-1]))
            before = layer
        return values

    @property
    def _writer(self) -> Callable[[Events], Words]:
        """How output events look."""
        write = OUTPUT_FORMATS[self.output_type, self._last.fields.get("activation", True)].write
        assert write is not None
        return write

    @property
    def _last(self) -> DecodedLayer:
        layer = self.layers[-1] if self.layers else self.image
        assert layer is not None
        return layer

    @property
    def output_type(self) -> int:
        """Kind of events that come out."""
        if not self.layers:
            return HRC
        return FNP if self._last.kind is FullyConnected else CNP

    def _learn(self, state: DenseState, levels: Array, learn_class: int) -> None:
        """One step on the last layer; what changes is written into the memory it was read from."""
        r = state.registers
        bounds = learning.Limits(r["learning_cap"], r["learning_low"], r["learning_decay"])
        memory = state.memory(self.layers[-1].channels)
        after = learning.learn(memory, chip_inputs(levels), learn_class, bounds, self.random)
        if after is memory:
            return
        words = fnp_memory.encode(after)
        if state.address is None:
            state.processor.memories[FNP_WEIGHTS] = [Block(0, words)]
        else:
            self.memory.write(state.address, words.astype("<u4").tobytes())
        self.learner = DenseState(state.processor, r, state.bits, words, state.address)
        self.layers[-1] = decode_dense(self.layers[-1].name, self.learner, self.layers[-1].channels)
