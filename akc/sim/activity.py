# SPDX-License-Identifier: Apache-2.0
"""What a network does on samples: levels used, zeros, events, and the work of each layer and of each place it is on.

An event is an input that is not 0. A synaptic operation is one weight that an event meets: an event under a window
of the kernel meets the weights of every filter there. Counts are means for one input, all its steps together. An
output counts for the place whose tile holds the middle of its window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import attrs
import numpy as np
from attrs import field, frozen

from akc.base.display import Displayed
from akc.base.progress import Show, silent
from akc.ir.module import Array, Module
from akc.ir.ops.akida import PLACELESS, FullyConnected, InputConvolutional, Layer, Location, SeparableConvolutional
from akc.sim.inputs import Inputs, bind_inputs
from akc.sim.run import Runner

Values = Mapping[str, Array]
Sizes = tuple[int, int]


@frozen(kw_only=True)
class LayerActivity:
    """One layer on the samples, counts being means for one input.

    levels_used: distinct levels that it gave, of `levels` (None for potentials); sparsity: share of its outputs that
    are 0; saturated: share at the top level; events: inputs that are not 0; operations: synaptic operations;
    places: those of each place of its `at`, in order (what several places do again counts for each); maps: what
    `Cost.products` needs to tell the work of other places, summed over all samples.
    """

    name: str
    levels_used: int | None
    levels: int | None
    sparsity: float
    saturated: float | None
    events: float
    operations: float
    places: tuple[float, ...]
    maps: tuple[Array, Array] = field(repr=False, eq=False)
    on_nps: bool = True
    """Whether its places are NPs: not on the host, and not on the image front end."""

    @property
    def slowest(self) -> float | None:
        """The work of its NP with the most; None where it is on none."""
        return max(self.places) if self.on_nps else None


@frozen(kw_only=True)
class Activity(Displayed):
    """All layers of a placed network on samples."""

    samples: int
    layers: tuple[LayerActivity, ...]

    def to_dict(self) -> dict[str, Any]:
        """All figures, ready for JSON."""
        return attrs.asdict(self, filter=lambda attribute, _: attribute.name != "maps")

    def to_text(self) -> str:
        """A table for people."""
        rows = [_HEAD, *(_row(layer) for layer in self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
        title = f"Activity on {self.samples} samples, means for one"
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([title, "-" * len(title), *table])

    def of(self, name: str) -> LayerActivity | None:
        """The layer of this name."""
        return next((layer for layer in self.layers if layer.name == name), None)


_HEAD = ("layer", "levels used", "zeros (%)", "events", "synaptic operations", "of its slowest NP")


def _row(layer: LayerActivity) -> tuple[str, ...]:
    used = "-" if layer.levels is None else f"{layer.levels_used} of {layer.levels}"
    counts = (layer.events, layer.operations, layer.slowest)
    return (f"%{layer.name}", used, f"{100 * layer.sparsity:.1f}", *("-" if n is None else f"{n:,.0f}" for n in counts))


def measure(module: Module, inputs: Inputs, backend: str = "auto", progress: Show = silent) -> Activity:
    """Run a quantised or placed module on samples and count; raises DiagnosticError as akc.sim.run does."""
    tallies = [_Tally(op, module) for op in module.net.ops if isinstance(op, Layer)]
    arrays = bind_inputs(module.net.inputs, inputs)
    runner, count, done = Runner(module, backend), len(next(iter(arrays.values()))), 0
    for part in _parts(arrays, count, runner.piece):
        values = runner.run(part, keep=True)
        for tally in tallies:
            tally.add(values)
        done += len(next(iter(part.values())))
        progress(done, count, "counting events")
    return Activity(samples=count, layers=tuple(tally.result(count) for tally in tallies))


def _parts(arrays: Values, count: int, size: int) -> Iterator[Values]:
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in arrays.items()}


class _Tally:
    """Sums over samples for one layer."""

    def __init__(self, op: Layer, module: Module) -> None:
        self.op, self.shape = op, module.net.types[op.x].shape
        self.cost = Cost.of(op, module)
        self.places = op.at or (Location("host"),)
        top = op.type.element.high if op.activation else None
        self.seen = np.zeros(0 if top is None else int(top) + 1, np.int64)
        self.zeros = self.outputs = self.events = 0
        self.maps: tuple[Array, Array] = (np.zeros(self.cost.outputs), np.zeros(self.cost.outputs))

    def add(self, values: Values) -> None:
        """Add a few samples."""
        levels = values[self.op.name]
        self.zeros += int((levels == 0).sum())
        self.outputs += levels.size
        if self.seen.size:
            self.seen += np.bincount(levels.reshape(-1), minlength=self.seen.size)
        events = values[self.op.x].reshape(-1, *self.shape) != 0
        self.events += int(events.sum())
        cells, reached = self.cost.maps(events)
        self.maps = (np.add(self.maps[0], cells), np.add(self.maps[1], reached))

    def result(self, count: int) -> LayerActivity:
        """The means for one of `count` inputs."""
        total = int(self.seen.sum())
        whole, *shares = (
            self.cost.products(self.maps, self.cost.of_place(place)) / max(count, 1)
            for place in (Location("host"), *self.places)
        )
        return LayerActivity(
            name=self.op.name,
            levels_used=int((self.seen > 0).sum()) if total else None,
            levels=self.seen.size or None,
            sparsity=self.zeros / max(self.outputs, 1),
            saturated=float(self.seen[-1] / total) if total else None,
            events=self.events / max(count, 1),
            operations=whole,
            places=tuple(shares),
            maps=self.maps,
            on_nps=self.places[0].kind not in PLACELESS,
        )


# -- what one output costs -------------------------------------------------------------------------


@frozen
class Portion:
    """What one place computes: filters, and the rows and columns of outputs (before pooling)."""

    filters: int
    rows: slice
    columns: slice


@frozen(kw_only=True)
class Cost:
    """The geometry of a layer, as far as its work goes. size, outputs: cells in, and out before pooling."""

    dense: bool
    separable: bool
    image: bool
    filters: int
    size: Sizes
    kernel: Sizes
    stride: Sizes
    before: Sizes
    outputs: Sizes

    @classmethod
    def of(cls, op: Layer, module: Module) -> Cost:
        """The cost of a layer of a module."""
        shape, weights = module.net.types[op.x].shape, module.weights[op.weights].type.shape
        size = (shape[0], shape[1])
        if isinstance(op, FullyConnected):
            return cls(dense=True, separable=False, image=False, filters=weights[0], size=size, kernel=size,
                       stride=size, before=(0, 0), outputs=(1, 1))  # fmt: skip
        kernel, stride = (weights[1], weights[2]), getattr(op, "stride", (1, 1))
        axes = [_outputs(*numbers, getattr(op, "padding", "same")) for numbers in zip(size, kernel, stride)]
        separable = isinstance(op, SeparableConvolutional)
        filters = module.weights[op.pointwise].type.shape[0] if isinstance(op, SeparableConvolutional) else weights[0]
        return cls(
            dense=False,
            separable=separable,
            image=isinstance(op, InputConvolutional),
            filters=filters,
            size=size,
            kernel=kernel,
            stride=(stride[0], stride[1]),
            before=(axes[0][1], axes[1][1]),
            outputs=(axes[0][0], axes[1][0]),
        )

    def of_place(self, place: Location) -> Portion:
        """What a place computes; a range that is left out is the whole axis."""
        filters = self.filters if place.filters is None else place.filters.stop - place.filters.start
        if self.dense:
            return Portion(filters, slice(None), slice(None))
        rows, columns = (self._cells(part, axis) for axis, part in enumerate((place.d0, place.d1)))
        return Portion(filters, rows, columns)

    def _cells(self, part: Any, axis: int) -> slice:
        """The outputs whose window has its middle in a part of the input axis."""
        if part is None:
            return slice(None)
        middles = np.arange(self.outputs[axis]) * self.stride[axis] - self.before[axis] + self.kernel[axis] // 2
        middles = np.clip(middles, 0, self.size[axis] - 1)
        return slice(*(int(n) for n in np.searchsorted(middles, (part.start, part.stop))))

    def maps(self, events: Array) -> tuple[Array, Array]:
        """Two maps of the outputs [o0, o1] for events [batch, d0, d1, channels], summed over batch and channels: events
        under each window, and (for the second half of a separable layer) channels whose window holds any."""
        if self.dense:
            return events.sum().reshape(1, 1), np.zeros((1, 1))
        events = np.ones_like(events) if self.image else events
        cells = self._window(events.sum(axis=(0, 3), dtype=np.int64)[None, :, :, None], np.add)
        reached = self._window(events, np.logical_or) if self.separable else np.zeros((1, *self.outputs, 1))
        return cells.sum(axis=(0, 3)), reached.sum(axis=(0, 3))

    def products(self, maps: tuple[Array, Array], portion: Portion) -> float:
        """Synaptic operations of a portion."""
        cells, reached = (float(map[portion.rows, portion.columns].sum()) for map in maps)
        return cells + reached * portion.filters if self.separable else cells * portion.filters

    def _window(self, events: Array, join: np.ufunc) -> Array:
        """Events [batch, d0, d1, channels] under each window, joined: [batch, o0, o1, channels]."""
        axes = zip(self.before, self.outputs, self.stride, self.kernel, self.size)
        room = [(before, max(0, (n - 1) * step + k - size - before)) for before, n, step, k, size in axes]
        padded = np.pad(events, [(0, 0), *room, (0, 0)])
        (i_end, j_end), (i_step, j_step) = ([(n - 1) * s + 1 for n, s in zip(self.outputs, self.stride)], self.stride)
        taps = [padded[:, i : i + i_end : i_step, j : j + j_end : j_step] for i, j in np.ndindex(*self.kernel)]
        return np.asarray(reduce(join, taps))

    def most(self, channels: int, portion: Portion) -> int:
        """Products if every input, and every cell of the border, were an event."""
        if self.dense:
            return self.size[0] * self.size[1] * channels * portion.filters
        cells = len(range(self.outputs[0])[portion.rows]) * len(range(self.outputs[1])[portion.columns])
        taps = self.kernel[0] * self.kernel[1]
        return cells * channels * (taps + portion.filters if self.separable else taps * portion.filters)


def _outputs(size: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """Outputs along an axis, and cells of padding in front of it."""
    if padding != "same":
        return (size - kernel) // stride + 1, 0
    count = -(-size // stride)
    return count, max((count - 1) * stride + kernel - size, 0) // 2
