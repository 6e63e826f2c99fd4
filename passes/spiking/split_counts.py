# SPDX-License-Identifier: Apache-2.0
"""split-counts: a neuron with uneven counts becomes several one-bit neurons, one for each jump of its count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import define, evolve, field, frozen, validators

from akc.base.diagnostics import Diagnostic
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op
from akc.ir.ops import nn, snn, snn_gated
from akc.passes.shared.contract import PassContext
from akc.passes.shared.neurons.counts import Jumps, jumps
from akc.passes.shared.neurons.rates import as_source
from akc.passes.shared.neurons.staircase import staircase
from akc.passes.shared.rewriting.rewrite import Editor

Linear = nn.Dense | nn.Conv
Indices = npt.NDArray[np.int64]

IN_FRONT = (nn.Affine, nn.BatchNorm, nn.MaxPool, nn.AveragePool)
"""What may stand between a layer and its neurons: it works on each channel alone."""

BEHIND = (nn.MaxPool, nn.AveragePool, nn.Reshape, nn.Permute)
"""What may stand between neurons and the next layer."""

WHEN = ("never", "uneven", "always")

CODE = "AKC0910"


@frozen
class SplitCounts:
    """Turn neurons into one-bit neurons that give their count of spikes exactly, in front of rate.

    Under a constant current a neuron fires a number of times that jumps at certain currents; the chip's levels
    are even, the jumps need not be (1, 2, 3, 5, 7, 15 spikes of a leaky neuron that is reset to zero). Each
    jump becomes a neuron of one bit with that current as threshold; the next layer's weights are those of
    the source times the height of the jump, for each step. Exact under constant currents, so in the
    first layer of a constant input, and apart from the rounding of weights.
    """

    name = "split-counts"
    requires = None
    ensures = None
    preserves = "approximation"
    measure = "the share of same answers on samples; exact under constant currents"
    reads = ()

    when: str = field(default="never", validator=validators.in_(WHEN))
    """never; uneven: neurons whose nearest even staircase is farther off than `above`; always: all that can be."""

    above: float = field(default=1.0, validator=validators.ge(0))
    """The error of the even staircase, root mean square in levels, above which when=uneven splits."""

    most: int = field(default=16, validator=validators.ge(1))
    """The largest number of one-bit neurons that one may become."""

    units: int = field(default=4096, validator=validators.ge(1))
    """The largest number of channels of a layer that is split."""

    largest: float = field(default=2.0, validator=validators.ge(1))
    """How many times the smallest jump one neuron may stand for; higher jumps become several equal neurons, whose
    weights then have nearly one size."""

    levels: int | None = field(default=None, validator=validators.optional(validators.in_((1, 3, 15))))
    """Levels of the even staircase that when=uneven holds a neuron against; none: those of the chip, 15 on an
    AKD1000."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with one-bit levels over time in place of the neurons that suit; its source is the one before."""
        if self.when == "never":
            return module
        editor = Editor(module)
        for op in editor.ops:
            split = self.split(op, editor, self.levels or 2**context.target.numbers.bits - 1)
            if split is not None:
                context.warn(_said(op, split))
                split.apply()
        after = editor.finish()
        return evolve(after, source=module.source or as_source(module)) if editor.changed else after

    def split(self, op: Op, editor: Editor, levels: int) -> _Split | None:
        """How to split one operation; None where it stays."""
        if not isinstance(op, snn.Neuron) or not op.fires or op.output != "spikes" or isinstance(op, snn_gated.Gated):
            return None
        if op.spikes_a_step > 1:
            return None
        module, steps = editor.current(), op.type.steps or 1
        front, back = _in_front(op, editor), _behind(op, editor)
        if front is None or back is None or hasattr(op, "feedback"):
            return None
        error = float(staircase(op, module, steps, levels).error.max())
        if self.when == "uneven" and error <= self.above:
            return None
        found = jumps(op, module, steps)
        if found is None or found.most > self.most:
            return None
        channels = op.type.shape[-1]
        rows = _for_channels(found, channels).spread(self.largest)
        return _Split(editor, op, front, back, rows, error) if len(rows.owner) <= self.units else None


def _said(op: Op, split: _Split) -> Diagnostic:
    channels, bits = op.type.shape[-1], len(split.rows.owner)
    return Diagnostic(
        code=CODE,
        message=f"%{op.name}: {channels} neurons become {bits} of one bit, as their counts are uneven"
        f" ({split.error:.2f} levels from the nearest even staircase)",
        origin=op.origin,
        span=op.span(),
        help="split-counts{when=never} keeps one neuron each, with even levels",
    )


def _for_channels(found: Jumps, channels: int) -> Jumps:
    """Jumps of one neuron as those of every channel."""
    if int(found.owner.max()) + 1 == channels:
        return found
    count = len(found.owner)
    return Jumps(
        np.repeat(np.arange(channels), count), np.tile(found.threshold, channels), np.tile(found.increment, channels)
    )


def _in_front(op: snn.Neuron, editor: Editor) -> list[Op] | None:
    """The layer in front, and what stands between it and the neuron; None if others read it or there is none."""
    path: list[Op] = []
    name = op.x
    while True:
        maker = editor.producer(name)
        if maker is None or editor.user(name) is None:
            return None
        path.insert(0, maker)
        if isinstance(maker, Linear):
            return path if getattr(maker, "groups", 1) == 1 else None
        if not isinstance(maker, IN_FRONT):
            return None
        name = maker.operands[0]


def _behind(op: snn.Neuron, editor: Editor) -> list[Op] | None:
    """What stands between the neuron and the next layer, and that layer; None if there is none."""
    path: list[Op] = []
    name = op.name
    while True:
        reader = editor.user(name)
        if reader is None:
            return None
        path.append(reader)
        if isinstance(reader, Linear):
            suits = getattr(reader, "groups", 1) == 1 and _columns(op, path, editor, np.arange(op.type.shape[-1]))
            return path if suits else None
        if not isinstance(reader, BEHIND) or (isinstance(reader, nn.Reshape) and len(reader.shape) != 1):
            return None
        name = reader.name


@frozen(eq=False)
class _Columns:
    """For each input of the next layer after the split: the input it was, and the row of jumps that it carries."""

    old: Indices
    row: Indices


def _columns(op: Op, path: list[Op], editor: Editor, owner: Indices) -> _Columns | None:
    """Follow every channel through pools and layout; None where channels are not last in front of a convolution."""
    shape = op.type.shape
    before, after = _numbered(shape, np.arange(shape[-1])), _numbered(shape, owner)
    for step in path[:-1]:
        if isinstance(step, nn.Permute):
            before, after = before.transpose(*step.order, -1), after.transpose(*step.order, -1)
        elif isinstance(step, nn.Reshape):
            before, after = before.reshape(-1, 2), after.reshape(-1, 2)
        elif not _channels_last(before):
            return None
        else:
            shape = editor.type_of(step.name).shape
            before, after = _numbered(shape, np.arange(shape[-1])), _numbered(shape, owner)
    if before.ndim > 2:
        return _Columns(owner, np.arange(len(owner))) if _channels_last(before) else None
    place = {tuple(cell): column for column, cell in enumerate(before.tolist())}
    return _Columns(np.array([place[(p, int(owner[r]))] for p, r in after.tolist()]), after[:, 1])


def _numbered(shape: tuple[int, ...], owner: Indices) -> Indices:
    """[*places, rows, 2]: the number of the place, and of the row."""
    places = int(np.prod(shape[:-1]))
    cells = np.stack(np.meshgrid(np.arange(places), np.arange(len(owner)), indexing="ij"), axis=-1)
    return cells.reshape(*shape[:-1], len(owner), 2)


def _channels_last(cells: Indices) -> bool:
    """Whether the last axis counts the rows."""
    return bool((cells[..., 1] == np.arange(cells.shape[-2])).all())


@define
class _Split:
    """One neuron with its surroundings: `rows` are the jumps of all channels, one for each new neuron."""

    editor: Editor
    op: snn.Neuron
    front: list[Op]
    back: list[Op]
    rows: Jumps
    error: float

    def apply(self) -> None:
        """Replace the layer in front, the neuron, and what is behind it up to the next layer."""
        columns = _columns(self.op, self.back, self.editor, self.rows.owner)
        assert columns is not None
        made: list[Op] = []
        for op in self.front:
            made.append(self.editor.retyped(self.repeated(op), *made))
        made += self.neurons(made[-1].name, made)
        for op in self.back[:-1]:
            made.append(self.editor.retyped(self.widened(op), *made))
        made.append(self.editor.retyped(self.weighted(self.back[-1], columns), *made))
        self.exchange({op.name: op for op in made})

    def exchange(self, made: dict[str, Op]) -> None:
        """Put the new operations where those of the same name stood; the threshold goes in front of the neuron."""
        stood = {name: self.editor.producer(name) for name in made}
        extra = [made[name] for name, old in stood.items() if old is None]
        for name, old in stood.items():
            if old is not None:
                self.editor.replace((old,), *(extra if name == self.op.name else ()), made[name])

    def repeated(self, op: Op) -> Op:
        """A layer, or what works on each channel alone, with its channels repeated."""
        changes: dict[str, Any] = {}
        for key in ("weight", "bias", "scale", "shift", "mean", "variance"):
            name = getattr(op, key, None)
            if isinstance(name, str):
                new = self.editor.weight(name, self.editor.array(name)[self.rows.owner], op)
                changes[key] = WeightName(new) if isinstance(name, WeightName) else new
        return evolve(op, **changes)

    def neurons(self, x: str, made: list[Op]) -> list[Op]:
        """current / size - threshold / size + 1/2, then one level of one bit."""
        size = float(np.abs(self.rows.threshold).max()) or 1.0
        shift: Any = 0.5 - self.rows.threshold / size
        weight = WeightName(self.editor.weight(f"{self.op.name}.shift", shift))
        name = self.editor.name(f"{self.op.name}.jumps")
        fields = {"x": x, "scale": 1 / size, "shift": weight, "after": tuple(made)}
        current = self.editor.make(nn.Affine, name, (self.op,), **fields)
        fires = self.editor.make(snn.Levels, self.op.name, (), x=name, high=1.0, after=(*made, current))
        return [current, evolve(fires, origin=self.op.origin)]

    def widened(self, op: Op) -> Op:
        """Layout and pools know no channels, but for the length of a vector."""
        if not isinstance(op, nn.Reshape):
            return op
        return evolve(op, shape=(op.shape[0] // self.op.type.shape[-1] * len(self.rows.owner),))

    def weighted(self, op: Op, columns: _Columns) -> Op:
        """The next layer: its weights, times the spikes a step that each new neuron stands for."""
        assert isinstance(op, Linear)
        spikes = self.rows.increment / (self.op.type.steps or 1)
        matrix = self.editor.array(op.weight)[..., columns.old] * spikes[columns.row]
        return evolve(op, weight=self.editor.weight(op.weight, matrix, op))
