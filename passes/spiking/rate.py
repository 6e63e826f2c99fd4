# SPDX-License-Identifier: Apache-2.0
"""rate: spiking neurons become stepped activations on spike counts, one pass of the chip a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen, validators

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op, Statement, Value, fresh_name
from akc.ir.ops import host, nn, snn, snn_gated
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.shared.contract import PassContext
from akc.passes.shared.neurons.latency import TABLES, first_neuron, once_at_most, tables
from akc.passes.shared.neurons.rates import READOUTS, as_source, encoders, feeds_layers, inputs_of, is_last, outputs
from akc.passes.shared.neurons.staircase import respond, staircase, width
from akc.passes.shared.numbers.evaluate import Array, sample_inputs
from akc.sim.spiking import window_sums

FOR_TABLES = 5
"""How many times more samples tables are fitted and tried on: spikes that come once say less."""

CODINGS = ("auto", *TABLES, "fitted")

CANDIDATES = (1, 3, 5, 10, 30)
"""Numbers of windows that window=0 tries on samples."""


@frozen
class Rate:
    """Run a spiking network by its rates: the time axis is cut into windows, one pass for each.

    A neuron gives as many levels as it would fire if the mean current of the window went on for all steps
    (its staircase);
    the last neuron and the read-out become a straight line on the potentials, summed over windows by
    the host. The order of spikes inside a window is lost. The numbers stay real: lower-int4 quantises.
    """

    name = "rate"
    requires = None
    ensures = None
    preserves = "approximation"
    measure = "the share of same answers on samples; each neuron's staircase, root mean square in levels"
    reads = ("samples",)

    window: int = field(default=0, validator=validators.ge(0))
    """Number of windows (passes); 0: 1 for a constant input, else the number with the best same-answer rate
    on samples, else one for every three steps, 30 at most."""

    bits: int | None = field(default=None, validator=validators.optional(validators.in_((1, 2, 4))))
    """Bits of a level; snn.levels carries them on to lower-int4; none: as many as the chip has, 4 on an AKD1000."""

    coding: str = field(default="auto", validator=validators.in_(CODINGS))
    """What an input spike is worth by its step, where the whole time is one window: count, all alike; linear,
    (T - t) / T; decay, beta to the power t; fitted, by regression on samples; auto: where samples show that no
    element spikes twice (a code by the time of the first spike), the one with the best same-answer rate, else count."""

    samples: int = field(default=100, validator=validators.gt(0))
    """How many samples the candidates for window=0 and coding=auto are tried and fitted on."""

    fit: bool = False
    """Whether neurons that are no leaky sums (snn.alpha, snn.lsnn) are approximated, by fit-rate, on samples."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without spiking neurons; raises DiagnosticError AKC0370 to AKC0373, AKC0392, AKC0412."""
        if not any(isinstance(op, snn.Neuron) or _is_split(op) for op in module.net.ops):
            return module
        _refuse(module, self.fit, context.samples is not None, context.target.title)
        source = module.source or as_source(module)
        rewritten, plan = self.chosen(module, context, source)
        context.report("rate", plan)
        if context.samples is None:
            context.warn(_no_samples(plan))
        return evolve(rewritten, source=source)

    def chosen(self, module: Module, context: PassContext, before: Module) -> tuple[Module, Plan]:
        """The rewriting with the windows and the table asked for, or the one that answers most like `before`."""
        steps, bits = module.net.inputs[0].type.steps, self.bits or context.target.numbers.bits
        if steps is None:
            return _Rewriting(module, 1, bits).run()
        inputs = None if context.samples is None else sample_inputs(module, context.samples, self.samples)
        if context.samples is not None and inputs is not None and once_at_most(inputs):
            inputs = sample_inputs(module, context.samples, FOR_TABLES * self.samples)
        made = [_Rewriting(module, count, bits).run() for count in self.windows(module, steps, inputs)]
        made += [_Rewriting(module, 1, bits, *one).run() for one in self.tables(before, inputs, bits)]
        if self.coding in (*TABLES[1:], "fitted"):
            made = [one for one in made if one[1].coding == self.coding]
        if not made:
            raise error(
                "AKC0412", f"coding={self.coding} is fitted to samples", help="--calibrate samples.npz, or more of them"
            )
        if len(made) == 1 or inputs is None:
            return made[0]
        source = outputs(before, inputs).argmax(axis=1)
        scores = [float((outputs(new, inputs).argmax(axis=1) == source).mean()) for new, _ in made]
        best = made[int(np.argmax(scores))]
        for (_, plan), score in zip(made, scores):
            if plan.coding == "count":
                best[1].tried[plan.windows] = score
            else:
                best[1].tables[plan.coding] = score
        return best

    def windows(self, module: Module, steps: int, inputs: dict[str, Array] | None) -> list[int]:
        """Numbers of windows to try."""
        if self.coding not in ("auto", "count"):
            return [1]
        framed = [op.count for op in module.net.ops if isinstance(op, host.Window) and op.x not in inputs_of(module)]
        if framed and not self.window:
            return framed[:1]
        if self.window or inputs is None:
            return [self.window or usual_windows(steps)]
        return sorted({k for k in (*CANDIDATES, usual_windows(steps)) if 1 <= k <= steps})

    def tables(self, module: Module, inputs: dict[str, Array] | None, bits: int) -> list[tuple[str, Array]]:
        """Tables to try, by name."""
        neuron = first_neuron(module, encoders(module))
        wanted = self.coding != "auto" or (inputs is not None and once_at_most(inputs))
        if self.coding == "count" or not wanted or neuron is None or self.window > 1:
            return []
        found = tables(module, neuron, inputs, int(2**bits - 1))
        return [(name, table) for name, table in found.items() if self.coding in ("auto", name)]


@define
class Plan:
    """What rate did.

    windows: passes an input; errors: by neuron the mean distance of the staircase from its counts, in levels; tried:
    same-answer rate by number of windows; coding: what an input spike is worth; tables: same-answer rate by
    table, with one window.
    """

    windows: int
    coding: str = "count"
    errors: dict[str, float] = field(factory=dict)
    tried: dict[int, float] = field(factory=dict)
    tables: dict[str, float] = field(factory=dict)

    def __str__(self) -> str:
        passes = "1 pass" if self.windows == 1 else f"{self.windows} passes"
        windows = [f"{count} {same:.1%}" for count, same in self.tried.items()]
        tables = [f"{name} {same:.1%}" for name, same in self.tables.items()]
        parts = [f"windows: {', '.join(windows)}"] if windows else []
        parts += [f"tables: {', '.join(tables)}; taken: {self.coding}"] if tables else []
        return f"{passes} an input" + (f" (tried {'; '.join(parts)})" if parts else "")


def _is_split(op: Op) -> bool:
    """Whether these are one-bit neurons over time that split-counts made."""
    return isinstance(op, snn.Levels) and op.type.steps is not None


def usual_windows(steps: int) -> int:
    """Windows where nothing else says how many: about three steps each, 30 at most."""
    return min(30, max(1, round(steps / 3)))


def _refuse(module: Module, fit: bool, samples: bool, chip: str) -> None:
    """Feedback, gates, neurons of another kind unless they are to be fitted, and those that differ inside a channel."""
    faults = []
    for op in module.net.ops:
        if isinstance(op, host.Previous):
            faults.append(
                _fault(op, "AKC0371", f"feeds its own spikes back; a pass through {chip} goes forward only", FEEDBACK)
            )
        elif isinstance(op, snn_gated.Gated):
            faults.append(_fault(op, "AKC0370", f"has LSTM gates inside each step; {chip} layers keep no state", GATES))
        elif isinstance(op, snn.Neuron) and op.unusual and not fit:
            faults.append(_fault(op, "AKC0373" if isinstance(op, snn.Lsnn) else "AKC0372", op.unusual, UNUSUAL))
        elif isinstance(op, snn.Neuron) and op.unusual and not samples:
            faults.append(_fault(op, "AKC0412", f"{op.unusual}; its rate curve can be fitted to samples only", SAMPLES))
        elif isinstance(op, snn.Neuron) and width(op, module) == 0:
            faults.append(
                Diagnostic(
                    code="AKC0392",
                    message=f"%{op.name}: neurons of one channel have different parameters at different places",
                    origin=op.origin,
                    span=op.span(),
                    help="the chip has one threshold a filter: use the same parameters for a whole channel",
                )
            )
    faults += [fault for op in module.net.ops if (fault := _order_fault(op, module)) is not None]
    if faults:
        raise DiagnosticError(faults)


def _order_fault(op: Op, module: Module) -> Diagnostic | None:
    """Results for each step, and sums that set one step against another: rates do not know the order of spikes."""
    if op.name in module.net.outputs and op.type.steps is not None:
        what = "is a result for each step; a pass by rates gives one a window"
    elif (
        isinstance(op, host.Sum) and op.weights is not None and np.min(module.array(op.weights).astype(np.float64)) < 0
    ):
        what = "sets steps against each other; rates do not know the order of spikes"
    else:
        return None
    return Diagnostic(code="AKC0392", message=f"%{op.name} {what}", origin=op.origin, span=op.span(), help=ORDER)


ORDER = (
    "--host=allow with --spikes hybrid keeps the neurons on the host, and every step",
    "or let forward read its answer out: a sum or mean over all steps",
)
FEEDBACK = (
    "--host=allow: the chip computes the potentials, the host neurons and feedback",
    "or drop the recurrence and train the read-out again",
)
GATES = (
    "-O 'drop-lstm{by=mean}' leaves it out, by=cut ends the network in front of it",
    "--host=allow with --spikes hybrid keeps it on the host",
    "or put snn.Leaky in its place and retrain",
)
UNUSUAL = (
    "--fit, with --calibrate, approximates its rate curve from data, reports the error and refuses a bad one",
    "--host=allow with --spikes hybrid keeps the neurons on the host, exactly",
    "or use LIF or IF neurons, and retrain",
)
SAMPLES = "--calibrate samples.npz"


def _fault(op: Op, code: str, what: str, help: Any) -> Diagnostic:
    name = (op.origin or (op.name,))[0]
    kind = "" if isinstance(op, host.Previous) else f" ({getattr(op, 'layer_name', '') or op.mnemonic})"
    return Diagnostic(code=code, message=f"layer '{name}'{kind} {what}", origin=op.origin, span=op.span(), help=help)


def _no_samples(plan: Plan) -> Diagnostic:
    worst = max(plan.errors.values(), default=0.0)
    return Diagnostic(
        code="AKC0387",
        message="no calibration samples: thresholds and steps are taken from the neurons' own staircases"
        f" (largest mean error {worst:.2f} levels, {plan.windows} passes an input)",
        help=(
            "--calibrate samples.npz fits them to the network",
            *(("-O 'split-counts{when=uneven}' makes uneven counts exact, with more neurons",) if worst > 1 else ()),
        ),
    )


@define
class _Rewriting:
    """One walk over the statements, with the time axis cut into `windows`."""

    module: Module
    windows: int
    bits: int
    coding: str = "count"
    table: Array | None = None
    types: dict[str, TensorType] = field(factory=dict)
    statements: list[Statement] = field(factory=list)
    weights: dict[str, Weight] = field(factory=dict)
    renamed: dict[str, str] = field(factory=dict)
    plan: Plan = field(init=False)

    @property
    def top(self) -> int:
        """The highest level."""
        return int(2**self.bits - 1)

    @property
    def steps(self) -> int | None:
        """The new time axis."""
        return self.windows if self.windows > 1 else None

    def run(self) -> tuple[Module, Plan]:
        """The new module and what was done."""
        net = self.module.net
        self.plan = Plan(windows=self.windows, coding=self.coding)
        self.types = {v.name: v.type for v in net.inputs}
        self.weights = dict(self.module.weights)
        front = encoders(self.module)
        for value in net.inputs:
            if value.type.steps is not None and not any(value.name in op.operands for op in front):
                self.counted(value.name, value.type)
        for op in net.ops:
            if op in front:
                self.append(op)
                if isinstance(op, snn.Neuron):
                    self.counted(op.name, op.type)
            else:
                self.statement(op)
        outputs = tuple(self.renamed.get(o, o) for o in net.outputs)
        kinds = tuple(self.types[o] for o in outputs)
        return self.module.with_statements(
            self.statements, self.weights, outputs=outputs, output_types=kinds
        ), self.plan

    def counted(self, spikes: str, timed: TensorType) -> None:
        """Spikes that the host has: their counts in each window, as a mean a step."""
        length = (timed.steps or 1) / self.windows
        name = fresh_name(f"{spikes}_counts", self.module.net.values)
        kind = evolve(timed, steps=self.steps)
        if self.table is not None and spikes in {v.name for v in self.module.net.inputs}:
            weight = fresh_name(f"{spikes}.table", self.weights)
            self.weights[weight] = Weight.of(self.table, "f32")
            self.renamed[spikes] = self.append(host.Sum(result=Value(name, kind), x=spikes, weights=weight))
            return
        if self.windows == 1:
            self.append(host.Sum(result=Value(name, kind), x=spikes))
        else:
            self.append(host.Window(result=Value(name, kind), x=spikes, count=self.windows))
        mean = fresh_name(f"{spikes}_rate", self.module.net.values)
        self.append(nn.Affine(result=Value(mean, kind), x=name, scale=1 / length))
        self.renamed[spikes] = mean

    def statement(self, op: Op) -> None:
        """One operation of the source."""
        if isinstance(op, host.Repeat):
            self.renamed[op.name] = self.renamed.get(op.x, op.x)
        elif isinstance(op, snn.Neuron):
            self.neuron(op)
        elif isinstance(op, nn.Relu) and _are_spikes(op.x, self.module):
            self.renamed[op.name] = self.renamed.get(op.x, op.x)
        elif isinstance(op, READOUTS) and is_last(op, self.module):
            self.readout(op)
        elif isinstance(op, READOUTS):
            self.linear_readout(op)
        elif isinstance(op, host.Window):
            self.window(op)
        elif isinstance(op, host.Frames) and self.windows == 1:
            x = self.renamed.get(op.x, op.x)
            self.append(self.retyped(nn.Reshape(result=op.result, x=x, shape=op.type.shape, origin=op.origin)))
        else:
            self.append(self.retyped(op.renamed(self.renamed)))

    def window(self, op: host.Window) -> None:
        """The counts of windows, which a read-out sees side by side: those of the passes."""
        x = self.renamed.get(op.x, op.x)
        if op.count != self.windows:
            raise error(
                "AKC0392",
                f"%{op.name} sums over {op.count} windows, the network runs in {self.windows}",
                span=op.span(),
                origin=op.origin,
                help=f"rate{{window={op.count}}} (--window {op.count})",
            )
        steps = (self.module.net.types[op.x].steps or 1) / self.windows
        self.renamed[op.name] = self.affine(op, x, op.name, steps, 0.0)

    def retyped(self, op: Op) -> Op:
        """The op with its result type worked out again."""
        kinds = {name: w.type for name, w in self.weights.items()}
        return evolve(op, result=evolve(op.result, type=op.infer(Types(self.types, kinds)), range=None))

    def append(self, op: Op) -> str:
        self.statements.append(op)
        self.types[op.name] = op.type
        return op.name

    def affine(self, op: Op, x: str, name: str, scale: Array | float, shift: Array | float, comments: Any = ()) -> str:
        """x * scale + shift, numbers per channel where they differ."""
        fields: dict[str, Any] = {
            key: self.number(f"{name}.{key}", value) for key, value in (("scale", scale), ("shift", shift))
        }
        return self.append(
            nn.Affine(result=Value(name, self.types[x]), x=x, origin=op.origin, comments=comments, **fields)
        )

    def number(self, name: str, value: Any) -> float | WeightName:
        array = np.atleast_1d(np.asarray(value, np.float64))
        if (array == array[0]).all():
            return float(array[0])
        weight = fresh_name(name, self.weights)
        self.weights[weight] = Weight.of(array, "f32")
        return WeightName(weight)

    def neuron(self, op: snn.Neuron) -> None:
        """affine, levels, affine: the staircase, and back to spikes a step."""
        layers = feeds_layers(op, self.module)
        if not op.fires or op.output == "membrane" or not layers:
            if layers or op.name in self.module.net.outputs:
                self.line(op)
            return
        x, steps = self.renamed.get(op.x, op.x), op.type.steps or 1
        stairs = staircase(op, self.module, steps, self.top)
        current = self.affine(
            op,
            x,
            fresh_name(f"{op.name}.current", self.module.net.values),
            1 / stairs.step,
            0.5 - stairs.threshold / stairs.step,
            op.comments,
        )
        counted = snn.Levels(result=Value(op.name, self.types[x]), x=current, high=float(self.top), origin=op.origin)
        self.append(counted)
        rate = fresh_name(f"{op.name}.rate", self.module.net.values)
        self.renamed[op.name] = self.affine(op, op.name, rate, stairs.unit / steps, 0.0)
        self.plan.errors[(op.origin or (op.name,))[0]] = float(stairs.error.max())

    def linear_readout(self, op: host.Sum | host.Mean | host.Max | host.Last) -> None:
        """A read-out of weighted rates, which are means a step: over windows, a sum counting their steps."""
        x = self.renamed.get(op.x, op.x)
        worth = self.worth(op) if isinstance(op, host.Sum) else None
        if worth is not None and (worth == worth[0]).all():
            x = self.affine(op, x, fresh_name(f"{op.name}.steps", self.module.net.values), float(worth[0]), 0.0)
        if self.windows == 1:
            self.renamed[op.name] = x
        else:
            self.append(self.retyped(self.over_windows(evolve(op, x=x), worth)))

    def worth(self, op: host.Sum) -> Array:
        """How many times a sum counts the mean step of each window; windows count as equally long."""
        steps = self.module.net.types[op.x].steps or 1
        length = np.full(self.windows, steps / self.windows)
        if op.weights is None:
            return length
        weights = self.module.array(op.weights).astype(np.float64)
        sums, counts = (window_sums(row[None], self.windows)[0] for row in (weights, np.ones(steps)))
        return np.asarray(length * sums / counts)

    def over_windows(self, op: Any, worth: Array | None) -> Op:
        """A read-out over windows in place of steps; a sum counts each as it is worth, where they differ."""
        if worth is None or (worth == worth[0]).all():
            plain: Op = evolve(op, weights=None) if isinstance(op, host.Sum) else op
            return plain
        name = fresh_name(f"{op.name}.worth", self.weights)
        self.weights[name] = Weight.of(worth, "f32")
        weighted: Op = evolve(op, weights=name)
        return weighted

    def readout(self, op: Op) -> None:
        """The last neuron and its read-out: a line on its mean current, over all windows."""
        neuron = self.module.net.producer(op.operands[0])
        assert isinstance(neuron, snn.Neuron)
        worth = self.worth(op) if isinstance(op, host.Sum) else None
        name = op.name if self.windows == 1 else fresh_name(f"{neuron.name}.line", self.module.net.values)
        even = worth is not None and bool((worth == worth[0]).all())
        self.drawn(neuron, name, float(worth[0]) if worth is not None and even else 1.0)
        if self.windows > 1:
            self.append(self.retyped(self.over_windows(op.renamed({neuron.name: name}), worth)))

    def line(self, op: snn.Neuron) -> None:
        """A neuron whose values over time are the result: a mean for each window."""
        self.renamed[op.name] = self.drawn(op, op.name, 1.0)

    def drawn(self, neuron: snn.Neuron, name: str, times: float) -> str:
        """The mean of what the neuron gives a step, so many times, as a line on its current."""
        x, steps = self.renamed.get(neuron.x, neuron.x), neuron.type.steps or 1
        slope, offset = response_line(neuron, self.module, steps, self.top)
        share = times / steps
        return self.affine(neuron, x, name, slope * share, offset * share, neuron.comments)


def _are_spikes(name: str, module: Module) -> bool:
    """Whether a value is spikes, perhaps pooled or in another shape: a ReLU leaves them as they are."""
    while isinstance(op := module.net.producer(name), nn.MaxPool | nn.Reshape | nn.Permute):
        name = op.x
    return isinstance(op, snn.Neuron) and op.output == "spikes" and op.fires


def response_line(op: snn.Neuron, module: Module, steps: int, top: int) -> tuple[Array, Array]:
    """Slope and offset of a window's sum of spikes (or of the membrane below threshold) over a constant current."""
    if op.fires and op.output == "spikes":
        stairs = staircase(op, module, steps, top)
        return stairs.unit / stairs.step, stairs.unit * (0.5 - stairs.threshold / stairs.step)
    low = staircase(op, module, steps, top).step if op.fires else np.ones(width(op, module))
    probes = np.stack([-low, -2 * low])
    sums = respond(op, module, probes, steps, "membrane")
    slope = (sums[0] - sums[1]) / low
    return slope, sums[0] + slope * low
