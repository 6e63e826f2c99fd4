# SPDX-License-Identifier: Apache-2.0
"""Compare a device's integers with the simulator's, and name the first layer and place where they part.

Each sequence gets the simulator's own inputs, so that one fault does not hide the next. A program
gives only its last layer's output; to find the layer at fault, the sequence is cut short layer by
layer, assembled again, and run. Samples go through in pieces, since every value between the layers is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import DiagnosticError
from akc.compiler.program import Program
from akc.devices.runner import bare, share
from akc.ir.module import Module, Op, Sequence
from akc.ir.ops.akida import Layer
from akc.sim.registry import Array
from akc.sim.run import Runner, bind_inputs
from akc.targets import LARGEST_BATCH, Device, load_target
from akc.targets.faults import DeviceError


@frozen(kw_only=True)
class Difference:
    """The first value that differs: sample, layer (value and source nodes), place [d0, d1, channel], both numbers.

    count, total: of the layer's values that differ, and that were compared, among the samples around that one;
    processors: where the layer's filter is computed.
    """

    sample: int
    layer: str
    origin: tuple[str, ...]
    place: tuple[int, ...]
    found: int
    expected: int
    count: int
    total: int
    processors: str

    def __str__(self) -> str:
        where = ", ".join(str(n) for n in self.place)
        source = f" (from {', '.join(self.origin)})" if self.origin else ""
        return (
            f"%{self.layer}{source} differs in {self.count} of {self.total} values,"
            f" first in sample {self.sample} at [{where}]: device {self.found}, simulator {self.expected}"
        )


@frozen(kw_only=True)
class SequenceResult:
    """One sequence: samples (time steps count), values compared, and the first difference, if any."""

    sequence: str
    samples: int
    values: int
    difference: Difference | None = None


@frozen(kw_only=True)
class Verification:
    """All sequences of a network."""

    sequences: tuple[SequenceResult, ...]

    @property
    def equal(self) -> bool:
        """Whether every integer agreed."""
        return all(s.difference is None for s in self.sequences)

    def check(self) -> None:
        """Raise DeviceError AKC0812 with every sequence that differs."""
        faults = [
            Different(f"@{s.sequence}: {s.difference}", f"that neuron is on {s.difference.processors}")
            for s in self.sequences
            if s.difference is not None
        ]
        if faults:
            raise DiagnosticError([d for fault in faults for d in fault.diagnostics])


class Different(DeviceError):
    """The device and the simulator differ."""

    code = "AKC0812"


def verify(device: Any, program: Program, inputs: Any, batch: int = LARGEST_BATCH) -> Verification:
    """Run every sequence of a network on a device and compare with the simulator.

    inputs: an array, or arrays by input name, in the source network's units, batch axis first.
    """
    device = bare(device)
    runner = Runner(program.module)
    arrays = bind_inputs(program.module.net.inputs, inputs if isinstance(inputs, dict) else np.asarray(inputs))
    bytes_of = {s.sequence: s.bytes for s in program.sequences}
    sequences = [s for s in program.module.net.sequences if s.name in bytes_of]
    results = {s.name: SequenceResult(sequence=s.name, samples=0, values=0) for s in sequences}
    samples = len(next(iter(arrays.values())))
    for first in range(0, samples, runner.piece):
        part = {name: array[first : first + runner.piece] for name, array in arrays.items()}
        values = runner.run(part, keep=True)
        with share(device, first / samples, min(first + runner.piece, samples) / samples):
            for number, sequence in enumerate(sequences):
                if results[sequence.name].difference is None:
                    with share(device, number / len(sequences), (number + 1) / len(sequences)):
                        found = _verify_sequence(device, program, sequence, bytes_of[sequence.name], values, batch)
                    results[sequence.name] = _joined(results[sequence.name], found)
    return Verification(sequences=tuple(results.values()))


def _joined(before: SequenceResult, piece: SequenceResult) -> SequenceResult:
    """The results of the samples so far and of the next ones."""
    difference = piece.difference
    if difference is not None:
        difference = evolve(difference, sample=difference.sample + before.samples)
    samples, values = before.samples + piece.samples, before.values + piece.values
    return evolve(before, samples=samples, values=values, difference=difference)


def _verify_sequence(
    device: Device, program: Program, sequence: Sequence, raw: bytes, values: dict[str, Array], batch: int
) -> SequenceResult:
    last = sequence.ops[-1]
    steps = _flat(values[sequence.ops[0].operands[0]], program.module, sequence.ops[0].operands[0])
    expected = _flat(values[last.name], program.module, last.name)
    difference = _compare(_on_device(device, raw, steps, batch), expected, last)
    if difference is not None:
        difference = _first_layer(device, program, sequence, steps, values, batch) or difference
    return SequenceResult(sequence=sequence.name, samples=len(steps), values=expected.size, difference=difference)


def _flat(array: Array, module: Module, name: str) -> Array:
    """Time steps as samples."""
    shape = module.net.types[name].shape
    return array.reshape(-1, *shape)


def _on_device(device: Device, raw: bytes, steps: Array, batch: int) -> Array:
    with share(device, 0, 0):
        device.program(raw)
    return device.forward(steps, batch)


def _compare(found: Array, expected: Array, op: Op) -> Difference | None:
    wrong = np.argwhere(found != expected.astype(np.int64))
    if not len(wrong):
        return None
    sample, *place = (int(n) for n in wrong[0])
    at = (sample, *place)
    return Difference(
        sample=sample,
        layer=op.name,
        origin=op.origin,
        place=tuple(place),
        found=int(found[at]),
        expected=int(expected[at]),
        count=len(wrong),
        total=expected.size,
        processors=_processors(op, place[-1]),
    )


def _processors(op: Op, channel: int) -> str:
    """The processors that compute a filter; its tiles, if it has several."""
    places = op.at if isinstance(op, Layer) else ()
    holders = [p for p in places if p.filters is None or p.filters.start <= channel < p.filters.stop]
    return ", ".join(map(str, holders)) or "the image front end"


def _first_layer(
    device: Device, program: Program, sequence: Sequence, steps: Array, values: dict[str, Array], batch: int
) -> Difference | None:
    """The difference of the first layer that differs by itself; None if only the whole sequence does."""
    for op, short in _shortened(program, sequence):
        difference = _compare(
            _on_device(device, short, steps, batch), _flat(values[op.name], program.module, op.name), op
        )
        if difference is not None:
            return difference
    return None


def _shortened(program: Program, sequence: Sequence) -> Iterator[tuple[Op, bytes]]:
    """Programs of the first layers of a sequence; layers that the chip takes only in the middle are passed over."""
    target = load_target(program.target)
    for count in range(1, len(sequence.ops)):
        ops = sequence.ops[:count]
        first, last = ops[0].operands[0], ops[-1]
        entry = program.module.net.values[first]
        net = evolve(
            program.module.net, inputs=(entry,), statements=(), outputs=(last.name,), output_types=(last.type,)
        )
        short = evolve(program.module, net=net).with_statements([evolve(sequence, ops=ops)], program.module.weights)
        try:
            yield last, target.assemble(short, program.engine_version)[0].bytes
        except DiagnosticError:
            continue
