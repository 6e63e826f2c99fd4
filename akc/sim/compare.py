# SPDX-License-Identifier: Apache-2.0
"""Compare a quantised network with its float source on samples, layer by layer and by the answers given.

A layer's counterpart is the last float operation that comes from one of the same source nodes and has
the same shape. Levels have no unit of their own, since the next layer's weights absorb any factor, so
each channel's levels are scaled to fit the float values best before the error is taken. Potentials are
decoded with the layer's own threshold and act_step, and not fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from attrs import frozen

from akc.base.diagnostics import error
from akc.base.display import Displayed
from akc.base.progress import Show, silent
from akc.ir.module import Module, Op
from akc.ir.ops import akida, host, nn
from akc.sim.registry import Array, Kernel, load_rules
from akc.sim.run import Inputs, Runner, bind_inputs

Values = Mapping[str, Array]


@frozen(kw_only=True)
class LayerComparison:
    """One layer: `name` is its value, `origin` its source nodes, `counterpart` the float value beside it.

    kind: "input" (host.quantize), "levels" or "potentials". level_error: root mean square, in levels.
    relative_error: root mean square over that of the float values. saturated: share of values at the
    top level. levels_used: distinct levels seen, of `levels`. silent: channels that were 0 throughout,
    of `channels`. None where a figure has no meaning, or no counterpart was found.
    """

    name: str
    kind: str
    origin: tuple[str, ...]
    counterpart: str | None
    level_error: float | None = None
    relative_error: float | None = None
    saturated: float | None = None
    levels_used: int | None = None
    levels: int | None = None
    silent: int | None = None
    channels: int


@frozen(kw_only=True)
class WorstSample:
    """One of the samples that went worst. index: in the file, from 0; answer, source_answer: what both say; label: what
    is right, or None; error: root mean square of the difference of the outputs over that of the source's, or None.
    """

    index: int
    answer: int | list[int]
    source_answer: int | list[int]
    label: int | None = None
    error: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the answers are two."""
        return self.answer != self.source_answer


WORST = 12
"""How many of the worst samples are kept."""


@frozen(kw_only=True)
class Comparison(Displayed):
    """The whole comparison. same_answers and the accuracies are shares from 0 to 1; worst: samples with different
    answers first, then those whose outputs are farthest apart.
    """

    samples: int
    layers: tuple[LayerComparison, ...]
    output_error: float | None
    same_answers: float
    accuracy: float | None = None
    source_accuracy: float | None = None
    worst: tuple[WorstSample, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All figures, ready for JSON."""
        return attrs.asdict(self)

    def to_text(self) -> str:
        """A table for people."""
        rows = [_HEAD, *(_row(layer) for layer in self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, "", *self._summary()])

    def _summary(self) -> Iterator[str]:
        yield f"{self.samples} samples, same answer in {_percent(self.same_answers)} %"
        if self.output_error is not None:
            yield f"output error {_percent(self.output_error)} % of the source's output"
        if self.accuracy is not None:
            yield f"accuracy {_percent(self.accuracy)} %, of the source {_percent(self.source_accuracy)} %"
        differing = [f"{w.index} ({w.answer} for {w.source_answer})" for w in self.worst if w.differs]
        if differing:
            yield f"other answers, the worst first: samples {', '.join(differing)}"


_HEAD = ("layer", "from", "error (levels)", "error (%)", "saturated (%)", "levels used", "silent channels")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _row(layer: LayerComparison) -> tuple[str, ...]:
    return (
        f"%{layer.name}",
        ", ".join(layer.origin) or "-",
        "-" if layer.level_error is None else f"{layer.level_error:.3f}",
        _percent(layer.relative_error),
        _percent(layer.saturated),
        "-" if layer.levels_used is None else f"{layer.levels_used} of {layer.levels}",
        "-" if layer.silent is None else f"{layer.silent} of {layer.channels}",
    )


def compare(
    module: Module,
    reference: Module,
    inputs: Inputs,
    labels: Array | None = None,
    backend: str = "auto",
    progress: Show = silent,
) -> Comparison:
    """Run both networks on the same samples and compare them.

    module: quantised or placed; reference: its float source, as imported; inputs: as akc.sim.run takes
    them; labels: classes [batch], for accuracies. Raises DiagnosticError as akc.sim.run does, and AKC0203
    where `module` has no chip layer.
    """
    load_rules()
    tallies = [_Tally(op, module, reference) for op in module.net.ops if isinstance(op, akida.Layer | host.Quantize)]
    if not any(tally.kind != "input" for tally in tallies):
        raise error("AKC0203", f"@{module.net.name} has no chip layers to compare", help="lower it first: akc lower")
    arrays = bind_inputs(reference.net.inputs, inputs)
    answers = _Answers(module, reference)
    ours, source, done = Runner(module, backend), Runner(reference, backend), 0
    for part in _parts(arrays, min(ours.piece, source.piece)):
        renamed = {v.name: part[w.name] for v, w in zip(module.net.inputs, reference.net.inputs)}
        values, expected = ours.run(renamed, keep=True), source.run(part, keep=True)
        for tally in tallies:
            tally.add(values, expected)
        answers.add(values, expected)
        done += len(next(iter(part.values())))
        progress(done, len(next(iter(arrays.values()))), "comparing")
    return answers.result(tuple(tally.result() for tally in tallies), labels)


def _parts(arrays: Values, size: int) -> Iterator[Values]:
    count = len(next(iter(arrays.values())))
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in arrays.items()}


# -- counterparts ----------------------------------------------------------------------------------


def counterpart(op: Op, reference: Module) -> Op | None:
    """The float operation whose value stands beside a layer's; None if no source node and shape agree."""
    related = [other for other in reference.net.ops if set(other.origin) & set(op.origin)]
    fitting = [other for other in related if _bare(other.type.shape) == _bare(op.type.shape)]
    computing = [other for other in fitting if not isinstance(other, nn.Permute | nn.Reshape)]
    return next(iter(reversed(computing or fitting)), None)


def _bare(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


class _Tally:
    """Sums over samples that one layer's figures are made from."""

    def __init__(self, op: akida.Layer | host.Quantize, module: Module, reference: Module) -> None:
        self.op = op
        self.timed = op.type.steps is not None
        self.channels = op.type.shape[-1]
        self.other = module.net.values[op.x] if isinstance(op, host.Quantize) else counterpart(op, reference)
        self.decode = _decoder(op, module)
        self.kind = "input" if isinstance(op, host.Quantize) else "levels" if op.activation else "potentials"
        self.top = int(op.type.element.high or 0) if self.kind != "potentials" else None
        self.seen = np.zeros(0 if self.top is None else self.top + 1, np.int64)
        self.active = np.zeros(self.channels, bool)
        self.squares = np.zeros((3, self.channels))
        self.rows = 0

    def add(self, values: Values, expected: Values) -> None:
        """Add a few samples."""
        levels = values[self.op.name]
        if self.top is not None:
            self.seen += np.bincount(levels.reshape(-1), minlength=self.top + 1)
            self.active |= levels.reshape(-1, self.channels).any(axis=0)
        if self.other is None:
            return
        floats = (values if self.kind == "input" else expected)[self.other.name]
        ours, theirs = _same_time(levels, self.timed, floats, self.other.type.steps is not None)
        ours = self.decode(ours).reshape(-1, self.channels).astype(np.float64)
        theirs = theirs.reshape(-1, self.channels).astype(np.float64)
        self.rows += len(ours)
        self.squares += [(ours * ours).sum(axis=0), (ours * theirs).sum(axis=0), (theirs * theirs).sum(axis=0)]

    def result(self) -> LayerComparison:
        """The figures of all samples added."""
        level_error, relative_error = self._errors()
        total = int(self.seen.sum())
        return LayerComparison(
            name=self.op.name,
            kind=self.kind,
            origin=self.op.origin,
            counterpart=self.other.name if self.other is not None else None,
            level_error=level_error,
            relative_error=relative_error,
            saturated=float(self.seen[-1] / total) if total else None,
            levels_used=int((self.seen > 0).sum()) if total else None,
            levels=None if self.top is None else self.top + 1,
            silent=None if self.top is None else int((~self.active).sum()),
            channels=self.channels,
        )

    def _errors(self) -> tuple[float | None, float | None]:
        ours, both, theirs = self.squares
        if self.other is None or not theirs.sum():
            return None, None
        fitted = self.kind == "levels"
        factor = both / np.where(ours > 0, ours, 1) if fitted else np.ones_like(ours)
        squares = np.maximum(theirs - 2 * factor * both + factor**2 * ours, 0)
        relative = float(np.sqrt(squares.sum() / theirs.sum()))
        usable = factor > 0
        if not fitted or not usable.any():
            return None, relative
        in_levels = squares[usable] / factor[usable] ** 2
        return float(np.sqrt(in_levels.sum() / (self.rows * usable.sum()))), relative


def _decoder(op: akida.Layer | host.Quantize, module: Module) -> Kernel:
    """Levels as they are, inputs and potentials in the source's own unit."""
    if isinstance(op, host.Quantize):
        scale: Any = module.array(op.scale) if isinstance(op.scale, str) else np.float32(op.scale)
        return lambda levels: (levels.astype(np.float32) - op.zero_point) * scale
    if op.activation:
        return lambda levels: levels
    threshold = 0 if op.threshold is None else module.array(op.threshold).astype(np.int64)
    act_step: Any = 1 if op.act_step is None else module.array(op.act_step)
    return lambda potentials: (potentials.astype(np.int64) - threshold) / act_step


def _same_time(ours: Array, ours_timed: bool, theirs: Array, theirs_timed: bool) -> tuple[Array, Array]:
    """Both with the same time axis: as they are, or their means over time."""
    if ours_timed and theirs_timed and ours.shape[1] == theirs.shape[1]:
        return ours, theirs
    return (ours.mean(axis=1) if ours_timed else ours), (theirs.mean(axis=1) if theirs_timed else theirs)


# -- answers ---------------------------------------------------------------------------------------


class _Answers:
    """The first outputs of both networks."""

    def __init__(self, module: Module, reference: Module) -> None:
        self.names = (module.net.outputs[0], reference.net.outputs[0])
        self.timed = tuple(net.output_types[0].steps is not None for net in (module.net, reference.net))
        self.outputs: tuple[list[Array], list[Array]] = ([], [])

    def add(self, values: Values, expected: Values) -> None:
        """Add a few samples."""
        for kept, found, name, timed in zip(self.outputs, (values, expected), self.names, self.timed):
            kept.append(found[name].sum(axis=1) if timed else found[name])

    def result(self, layers: tuple[LayerComparison, ...], labels: Array | None) -> Comparison:
        """The comparison of all samples added."""
        ours, theirs = (np.concatenate(parts) for parts in self.outputs)
        answers, source_answers = _answers(ours), _answers(theirs)
        if answers.shape != source_answers.shape:
            raise error(
                "AKC0703",
                f"the networks give answers of different shapes, {list(answers.shape[1:])} and"
                f" {list(source_answers.shape[1:])}",
                help="give the float network that this one was made from",
            )
        return Comparison(
            samples=len(ours),
            layers=layers,
            output_error=_output_error(ours, theirs),
            same_answers=float((answers == source_answers).mean()),
            accuracy=None if labels is None else float((answers == labels).mean()),
            source_accuracy=None if labels is None else float((source_answers == labels).mean()),
            worst=_worst(ours, theirs, labels),
        )


def _worst(ours: Array, theirs: Array, labels: Array | None) -> tuple[WorstSample, ...]:
    """The samples that went worst, at most WORST of them; none that went as in the source."""
    answers, source_answers = _answers(ours), _answers(theirs)
    flat = [x.reshape(len(x), -1).astype(np.float64) for x in (ours, theirs)]
    comparable = flat[0].shape == flat[1].shape and ours.dtype.kind == theirs.dtype.kind == "f"
    apart = np.square(flat[0] - flat[1]).sum(axis=1) if comparable else np.zeros(len(ours))
    size = float(np.square(flat[1]).sum()) / max(len(ours), 1)
    errors = np.sqrt(apart / size) if comparable and size else np.zeros(len(ours))
    differs = (answers != source_answers).reshape(len(ours), -1).any(axis=1)
    order = [int(i) for i in np.lexsort((-errors, ~differs)) if differs[i] or errors[i] > 0]
    return tuple(
        WorstSample(
            index=i,
            answer=answers[i].tolist(),
            source_answer=source_answers[i].tolist(),
            label=None if labels is None else int(labels[i]),
            error=float(errors[i]) if comparable and size else None,
        )
        for i in order[:WORST]
    )


def _answers(outputs: Array) -> Array:
    """The largest class along the last axis; whole numbers without axes are answers already."""
    return outputs if outputs.ndim == 1 else np.asarray(outputs.argmax(axis=-1))


def _output_error(ours: Array, theirs: Array) -> float | None:
    """Root mean square error over the source's root mean square; None for answers and for other shapes."""
    if ours.shape != theirs.shape or ours.dtype.kind != "f" or theirs.dtype.kind != "f":
        return None
    size = float(np.square(theirs.astype(np.float64)).sum())
    return float(np.sqrt(np.square(ours.astype(np.float64) - theirs).sum() / size)) if size else None
