# SPDX-License-Identifier: Apache-2.0
"""fit-rate: thresholds and steps of a network run by rates are fitted to what its source really does."""

from __future__ import annotations

import numpy as np
from attrs import define, evolve, field, frozen, validators

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.module import Module, Op
from akc.ir.ops import akida, host, nn, snn
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.shared.contract import PassContext
from akc.passes.shared.neurons.rates import outputs, stairs
from akc.passes.shared.neurons.staircase import fit, levels, staircase
from akc.passes.shared.numbers.evaluate import Array, sample_inputs
from akc.passes.shared.numbers.rounding import least_error_scale, round_nearest
from akc.sim.neurons import scan
from akc.sim.registry import WHOLE, evaluate_op, find_rule
from akc.sim.run import Runner
from akc.sim.spiking import window_sums

ROWS = 4096
"""Windows (and places of a map) that one fit looks at; more are thinned out evenly."""

PIECE = 1024
"""Samples times steps of the source that are simulated at once."""


@frozen
class FitRate:
    """Fit thresholds, steps and the read-out, layer by layer, on the layers already quantised in front.

    Each neuron's levels are fitted to the source's spike counts by least squares, the last layer's
    potentials to the source's read-out by a straight line a class, and its weights by ridge regression.
    Kept is what answers most like the source on the last quarter of the samples, which no fit sees. The source
    is the one that split-counts or rate keep in the text as `source { ... }`, and this pass takes away. Fits nothing
    without samples, or without a source.
    """

    name = "fit-rate"
    requires = "quantised"
    ensures = "quantised"
    preserves = "approximation"
    measure = "the share of same answers on samples held out"
    reads = ("samples",)

    samples: int = field(default=1000, validator=validators.gt(7))
    """How many of the samples are used, from the first."""

    least: float = field(default=0.8, validator=[validators.ge(0), validators.le(1)])
    """The smallest share of same answers that is not refused (AKC0391); 0 never refuses."""

    explained: float = field(default=0.5, validator=[validators.ge(0), validators.le(1)])
    """The smallest share of the variance of an unusual neuron's counts (rate{fit=true}) that its fitted levels must
    give again; fewer is refused (AKC0391), unless least is 0."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The fitted module; raises DiagnosticError AKC0391 where it does not answer like its source."""
        source = module.source
        module = module if source is None else evolve(module, source=None)
        if source is None or context.samples is None:
            return module
        inputs = sample_inputs(source, context.samples, self.samples)
        held = max(1, len(next(iter(inputs.values()))) // 4)
        seen = {name: array[:-held] for name, array in inputs.items()}
        unseen = {name: array[-held:] for name, array in inputs.items()}
        fitting = _Fitting(module, source, seen, context)
        candidates = {**fitting.run(), "unfitted": module}
        answers = outputs(source, unseen)
        scored = {name: Score.of(outputs(one, unseen), answers) for name, one in candidates.items()}
        same = {name: score.same for name, score in scored.items()}
        kept = best_of(scored)
        report = Report(fitting.layers, same, kept, fitting.windows, held)
        context.report("fit-rate", report)
        if held >= ENOUGH and same[kept] < self.least:
            raise self.refusal(report)
        missed = [layer for layer in fitting.layers if layer.unusual and layer.explained < self.explained]
        if missed and self.least:
            raise self.no_rate(missed)
        return candidates[kept]

    def no_rate(self, layers: list[LayerReport]) -> Exception:
        """What to say about neurons whose counts are no function of their mean current."""
        return DiagnosticError(
            [
                Diagnostic(
                    code="AKC0391",
                    message=f"the rates of '{layer.name}' cannot be fitted: levels explain {layer.explained:.0%} of the"
                    f" variance of its spike counts, {self.explained:.0%} are asked for",
                    label=str(layer),
                    origin=(layer.name,),
                    help=(
                        "--host=allow with --spikes hybrid keeps the neurons on the host, exactly",
                        "shorter windows (rate{window=...}), or LIF neurons and retraining",
                        "--least 0 (least=0 in Python) makes the program all the same",
                    ),
                )
                for layer in layers
            ]
        )

    def refusal(self, report: Report) -> Exception:
        """What to say about a network that answers something else."""
        return error(
            "AKC0391",
            f"the compiled network gives the source's answer for {report.same[report.kept]:.1%} of"
            f" {report.held_out} samples, {self.least:.0%} are asked for",
            label="; ".join(str(layer) for layer in report.layers),
            help=(
                "the layer with the largest level error is where it goes wrong; try another number of windows"
                " (rate{window=...}), or more samples",
                "--least 0 (least=0 in Python) makes the program all the same",
            ),
        )


@frozen
class Score:
    """How near outputs are to the source's: share of same answers, its standard error, mean correlation."""

    same: float
    error: float
    correlation: float

    @classmethod
    def of(cls, found: Array, wanted: Array) -> Score:
        """Compare two sets of outputs, sample by sample; any of the source's largest outputs is its answer."""
        given = np.take_along_axis(wanted, found.argmax(axis=1)[:, None], axis=1)[:, 0]
        largest = wanted.max(axis=1)
        same = float((given >= largest - TIED * np.abs(largest)).mean())
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (found.astype(np.float64), wanted.astype(np.float64)))
        length = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        correlation = float(((a * b).sum(axis=1) / np.maximum(length, 1e-12)).mean())
        return cls(same, float(np.sqrt(same * (1 - same) / len(found)) + 1 / len(found)), correlation)


def best_of(scored: dict[str, Score]) -> str:
    """The candidate with the most same answers; where that is within chance, the one whose outputs correlate best."""
    most = max(scored.values(), key=lambda score: score.same)
    near = [name for name, score in scored.items() if score.same >= most.same - most.error]
    return max(near, key=lambda name: scored[name].correlation)


TIED = 1e-6
"""Outputs that differ by no more than so much of the largest are equal."""

ENOUGH = 50
"""With fewer samples held out no network is refused: chance says as much as the network."""


@frozen
class LayerReport:
    """One layer: mean distance of its levels from the source's counts, before and after, the share at the top,
    the share of the counts' variance that the levels give again; whether the neuron is one that they imitate."""

    name: str
    before: float
    after: float
    saturated: float
    explained: float = 1.0
    unusual: bool = False

    def __str__(self) -> str:
        fitted = f", {self.explained:.0%} of its counts explained" if self.unusual else ""
        return f"{self.name}: {self.before:.2f} -> {self.after:.2f} levels off, {self.saturated:.0%} at the top{fitted}"


@frozen
class Report:
    """What fitting did. same: share of same answers on `held_out` samples by candidate; kept: the one taken."""

    layers: list[LayerReport]
    same: dict[str, float]
    kept: str
    windows: int
    held_out: int

    def __str__(self) -> str:
        passes = "1 pass" if self.windows == 1 else f"{self.windows} passes"
        rates = ", ".join(f"{name} {rate:.1%}" for name, rate in self.same.items())
        rows = "".join(f"\n  {layer}" for layer in self.layers)
        return f"{passes} an input; same answers on {self.held_out} samples: {rates}; kept: {self.kept}{rows}"


@define
class _Fitting:
    """One walk over the quantised net with the samples' values."""

    module: Module
    source: Module
    inputs: dict[str, Array]
    context: PassContext
    layers: list[LayerReport] = field(factory=list)
    changed: dict[str, Weight] = field(factory=dict)
    values: dict[str, Array] = field(factory=dict)
    neurons: dict[str, snn.Neuron] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.neurons = stairs(self.source)

    @property
    def windows(self) -> int:
        """Passes an input: the time axis of the chip's layers."""
        layers = [op for op in self.module.net.ops if isinstance(op, akida.Layer)]
        return max((op.type.steps or 1 for op in layers), default=1)

    def run(self) -> dict[str, Module]:
        """Candidates by name: everything fitted, or only the read-out; its weights trained anew, or kept."""
        counts, answer = self.answers()
        return {
            "fitted, read-out trained": self.walk(counts, answer, train=True),
            "fitted": self.walk(counts, answer),
            "read-out trained": self.walk({}, answer, train=True),
            "read-out fitted": self.walk({}, answer),
        }

    def answers(self) -> tuple[dict[str, Array], Array]:
        """Levels [n, K, ...] that the source's counts stand for, by layer, and the source's read-out."""
        runner = Runner(self.source)
        steps = max([v.type.steps or 1 for v in self.source.net.values.values()])
        size = max(1, PIECE // steps)
        total = len(next(iter(self.inputs.values())))
        parts: dict[str, list[Array]] = {}
        targets, output = self.targets(), self.source.net.outputs[0]
        for start in range(0, total, size):
            piece = {name: array[start : start + size] for name, array in self.inputs.items()}
            values = runner.run(piece, keep=True)
            for layer, (value, unit) in targets.items():
                parts.setdefault(layer, []).append(window_sums(values[value], self.windows) / unit)
            parts.setdefault("", []).append(values[output])
            self.context.progress(min(start + size, total), total, "running the source")
        joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return joined, joined.pop("")

    def targets(self) -> dict[str, tuple[str, Array]]:
        """For each chip layer the source's value whose counts its levels stand for, and spikes a level."""
        found: dict[str, tuple[str, Array]] = {}
        for op in self.module.net.ops:
            neuron = self.neuron(op)
            if isinstance(op, akida.Layer) and op.activation and neuron is not None:
                value = self.matching(neuron, op.type)
                if value is not None:
                    unit = staircase(neuron, self.source, neuron.type.steps or 1, 2**op.act_bits - 1).unit
                    found[op.name] = (value, (unit / self.windows).astype(np.float32))
        return found

    def neuron(self, op: Op) -> snn.Neuron | None:
        """The source's neuron that a chip layer comes from."""
        return next((self.neurons[o] for o in reversed(op.origin) if o in self.neurons), None)

    def matching(self, neuron: snn.Neuron, kind: TensorType) -> str | None:
        """The neuron's spikes, or what a pool behind it makes of them: the one with as many elements."""
        net = self.source.net
        pools = [op for op in net.uses(neuron.name) if isinstance(op, nn.MaxPool)]
        return next((v for v in (neuron.name, *(p.name for p in pools)) if net.types[v].size == kind.size), None)

    def walk(self, counts: dict[str, Array], answer: Array, train: bool = False) -> Module:
        """Run the net layer by layer, fitting on the way."""
        self.values, self.changed, self.layers = dict(self.inputs), {}, self.layers if not counts else []
        for op in self.module.net.ops:
            if isinstance(op, akida.Layer) and op.name in counts:
                self.fit_layer(op, counts[op.name])
            if train and isinstance(op, akida.FullyConnected) and not op.activation:
                self.train_readout(op, answer)
            if isinstance(op, host.Decode):
                self.fit_readout(op, answer)
            self.values[op.name] = self.evaluate(op)
        return evolve(self.module, weights={**self.module.weights, **self.changed})

    def evaluate(self, op: Op) -> Array:
        """The op's value [n, (K,) ...] with the weights fitted so far."""
        module = evolve(self.module, weights={**self.module.weights, **self.changed})
        kinds = self.module.net.types
        operands = [self.values[name] for name in op.operands]
        if isinstance(op, snn.Neuron):
            return np.moveaxis(scan(op, np.moveaxis(operands[0], 1, 0), module), 0, 1)
        if find_rule(WHOLE, op) is not None or all(kinds[name].steps is None for name in op.operands):
            return evaluate_op(op, operands, module)
        batch, steps = operands[0].shape[:2]
        result = evaluate_op(op, [a.reshape(batch * steps, *a.shape[2:]) for a in operands], module)
        return result.reshape(batch, steps, *result.shape[1:])

    def potentials(self, op: akida.Layer) -> Array:
        """The layer's potentials [rows, filters], pooled as the layer pools."""
        bare = evolve(op, activation=False, result=evolve(op.result, type=evolve(op.type, dtype="i32")))
        result = self.evaluate(bare)
        return result.reshape(-1, result.shape[-1])

    def fit_layer(self, op: akida.Layer, counts: Array) -> None:
        """Threshold and act_step of each filter, on potentials from levels that the chip has."""
        if op.threshold is None or op.act_step is None:
            return
        x, wanted = self.potentials(op), counts.reshape(-1, counts.shape[-1])
        keep = slice(None, None, max(1, len(x) // ROWS))
        x, wanted = x[keep].astype(np.float64), np.minimum(wanted[keep], 2**op.act_bits - 1)
        top, share = 2**op.act_bits - 1, 2**op.act_bits / 16
        threshold = self.module.array(op.threshold).astype(np.float64)
        step = np.floor(self.module.array(op.act_step) * 16) / 16 / share
        before = _distance(x, wanted, threshold, step, top)
        neuron = self.neuron(op)
        unusual = neuron is not None and bool(neuron.unusual)
        if unusual:
            threshold, step = _nearer(x, wanted, (threshold, step), _regressed(x, wanted, step, top), top)
        threshold, step, _ = fit(x, wanted, threshold, step, top)
        registers = self.context.target.numbers.registers
        step = np.clip(np.rint(step * 2**op.act_bits), 1, registers.sixteenths) / 2**op.act_bits
        threshold, step, _ = fit(x, wanted, threshold, step, top, moves=False)
        threshold = np.clip(np.floor(threshold), -registers.threshold, registers.threshold)
        after = _distance(x, wanted, threshold, step, top)
        found = levels(x, threshold, step, top)
        full, missed = float((found >= top).mean()), float(((found - wanted) ** 2).mean() / max(wanted.var(), 1e-12))
        name = (op.origin or (op.name,))[-1]
        self.layers.append(LayerReport(name, before, after, full, max(0.0, 1 - missed), unusual))
        self.changed[op.threshold] = Weight.of(threshold.astype(np.int64), "i32")
        self.changed[op.act_step] = Weight.of(step * share, "f32")

    def train_readout(self, op: akida.FullyConnected, answer: Array) -> None:
        """The last layer's weights by ridge regression onto the source's read-out, drawn to those it has."""
        decode = next((user for user in self.module.net.uses(op.name) if isinstance(user, host.Decode)), None)
        bits = {"i2": 2, "i4": 4}.get(self.module.weights[op.weights].type.dtype)
        if decode is None or bits is None or self.time_sum(decode) is None or answer.shape[1:] != decode.type.shape:
            return
        weights = self.module.array(op.weights).astype(np.float64)
        x = self.values[op.x].reshape(len(answer), -1, weights.shape[1]).sum(axis=1, dtype=np.float64)
        slope, _ = _line(x @ weights.T, answer)
        if (slope > 0).all():
            wanted = weights + _correction(x, answer, weights, slope) / slope[:, None]
            scale = least_error_scale(wanted, bits, x.var(axis=0) + 1e-9, per_layer=False)
            self.changed[op.weights] = Weight.of(round_nearest(wanted, scale, bits).astype(np.int64), f"i{bits}")

    def fit_readout(self, op: host.Decode, answer: Array) -> None:
        """A line for each class from potentials to the source's read-out."""
        how = self.time_sum(op)
        if op.threshold is None or op.act_step is None or how is None or answer.shape[1:] != op.type.shape:
            return
        x = self.values[op.x].astype(np.float64).reshape(len(answer), -1, answer.shape[-1])
        windows = x.shape[1]
        x = x.sum(axis=1) / (1 if how is host.Sum else windows)
        slope, offset = _line(x, answer)
        if not (slope > 0).all():
            return
        share = windows if how is host.Sum else 1
        limit = float(2**31 - 1)
        threshold = np.clip(np.rint(-offset / slope / share), -limit, limit)
        self.changed[op.threshold] = Weight.of(threshold.astype(np.int64), "i32")
        self.changed[op.act_step] = Weight.of(op.factor / slope, "f32")

    def time_sum(self, op: Op) -> type[Op] | None:
        """How the decoded potentials become the net's result: host.Sum, host.Mean (also: not at all), or None."""
        how: type[Op] = host.Mean
        net, name = self.module.net, op.name
        while name not in net.outputs:
            readers = net.uses(name)
            if len(readers) != 1 or not isinstance(readers[0], host.Sum | host.Mean | nn.Reshape):
                return None
            how = host.Sum if isinstance(readers[0], host.Sum) else how
            name = readers[0].name
        return how


PULL = 1.0
"""Strength of the ridge, in mean squared lengths of the centred features."""


def _line(x: Array, y: Array) -> tuple[Array, Array]:
    """Slope and offset of the straight line for each column."""
    slope = ((x - x.mean(0)) * (y - y.mean(0))).mean(0) / np.maximum(x.var(axis=0), 1e-12)
    return slope, y.mean(0) - slope * x.mean(0)


def _correction(x: Array, y: Array, weights: Array, slope: Array) -> Array:
    """What to add to slope * weights so that y is met better, by ridge regression in its dual form."""
    centred = x - x.mean(axis=0)
    missing = (y - y.mean(axis=0)) - centred @ (weights * slope[:, None]).T
    gram = centred @ centred.T
    solved = np.linalg.solve(gram + PULL * np.trace(gram) / len(x) * np.eye(len(x)), missing)
    found: Array = solved.T @ centred
    return found


def _regressed(x: Array, wanted: Array, step: Array, top: int) -> tuple[Array, Array]:
    """Thresholds and steps by the straight line through the counts that are neither 0 nor the top, column by column."""
    inner = (wanted > 0) & (wanted < top)
    count = np.maximum(inner.sum(axis=0), 1)
    x_mean, mean = (x * inner).sum(axis=0) / count, (wanted * inner).sum(axis=0) / count
    spread = (((x - x_mean) * inner) ** 2).sum(axis=0)
    slope = ((x - x_mean) * (wanted - mean) * inner).sum(axis=0) / np.maximum(spread, 1e-12)
    found = np.where(slope > 1e-9, 1 / np.maximum(slope, 1e-9), step)
    return x_mean - found * (mean - 0.5), found


def _nearer(
    x: Array, wanted: Array, one: tuple[Array, Array], other: tuple[Array, Array], top: int
) -> tuple[Array, Array]:
    """For each column the pair of threshold and step with the smaller square error."""
    errors = [((levels(x, *pair, top) - wanted) ** 2).mean(axis=0) for pair in (one, other)]
    better = errors[1] < errors[0]
    return np.where(better, other[0], one[0]), np.where(better, other[1], one[1])


def _distance(x: Array, wanted: Array, threshold: Array, step: Array, top: int) -> float:
    return float(np.abs(np.clip(np.ceil((x - threshold) / step), 0, top) - wanted).mean())
