# SPDX-License-Identifier: Apache-2.0
"""Accounts for every state that a neuron is given: its own from the step before, or what the user's code made of it.

A state at the first step is a start value. At the others it is the neuron's own state of the step before, as it was
given out, or a membrane that the user's code changed: scaled, reset where the neuron fired, moved, cut off at a level.
These are the language's keep, drop, take, add, low and high (akc.ir.ops.snn.Neuron). Whatever else leads into the state
of a neuron is refused with the line that does it; nothing is left out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.spiking.reader import NeuronSpec
from akc.frontends.spiking.values import EACH, Const, Step, shape_of, short_name
from akc.ir.ops import snn, snn_gated

if TYPE_CHECKING:
    from akc.frontends.spiking.fold import Folder
    from akc.frontends.spiking.sites import Call, Site

Array = np.ndarray[Any, np.dtype[Any]]

HANDED_ON = "hand on what the neuron gave, change its membrane by its own spikes and numbers only"
HELD = "give the neuron its state again: spikes, state = neuron(x, state)"


def accounted(f: Folder, site: Site) -> NeuronSpec:
    """The neuron of a site with its start and what is done to its membrane between steps.

    Raises DiagnosticError AKC0316 where a state comes from elsewhere.
    """
    live = f.neurons[site.index]
    spec: NeuronSpec = live.spec
    for name in live.row.states:
        spec = _slot(f, site, name, spec)
    return spec


def _slot(f: Folder, site: Site, name: str, spec: NeuronSpec) -> NeuronSpec:
    live = f.neurons[site.index]
    own, is_membrane = _own_part(live.row, site, name), name == live.row.membrane
    first, rest = site.calls[0], site.calls[1:]
    start = _start(f, first, name)
    if not is_membrane and start is not None and np.any(start):
        raise _elsewhere(f, first.node, site, name, "starts with numbers of its own")
    if is_membrane:
        spec = _with_start(spec, start)
    made = [_made(f, call, name, t) for t, call in enumerate(rest)]
    if not rest:
        return spec
    if len({id(m) if not isinstance(m, bytes) else m for m in made}) > 1:
        raise _elsewhere(f, rest[-1].node, site, name, "is not made in the same way at every step")
    if made[0] is own or made[0] in f.handed:
        return spec
    if made[0] is None:
        raise _elsewhere(f, rest[0].node, site, name, "is fresh at every step", HELD)
    if not is_membrane:
        raise _elsewhere(f, rest[0].node, site, name, "is not its own of the step before")
    return _touched(f, site, rest[0], name, spec)


def _own_part(row: Any, site: Site, name: str) -> Any:
    names = row.own_states
    return site.parts[1 + names.index(name)] if name in names else site.parts[0]


def _start(f: Folder, call: Call, name: str) -> Array | None:
    """The numbers that a state starts with; None for its rest, or where the caller hands it over."""
    value = call.given.get(name)
    if value is None or (isinstance(value, Step) and value.node in f.handed):
        return None
    if not isinstance(value, Const):
        raise DiagnosticError(f.fault(call.node, f"the first {name} is computed from the input", HANDED_ON, code=CODE))
    return np.asarray(value.tensor.numpy())


CODE = "AKC0316"


def _made(f: Folder, call: Call, name: str, before: int) -> Any:
    """What a state is made of: a node of the step before, the bytes of numbers, or None for rest."""
    value = call.given.get(name)
    if value is None:
        return None
    if isinstance(value, Const):
        return value.tensor.numpy().tobytes()
    if isinstance(value, Step) and value.time in (before, EACH):
        return value.node
    if isinstance(value, Step):
        what = f"a {name} is of step {value.time}, the neuron runs for step {before + 1}"
    else:
        what = f"a {name} adds up several steps"
    raise DiagnosticError(f.fault(call.node, what, HANDED_ON, code=CODE))


def _elsewhere(f: Folder, node: Any, site: Site, name: str, what: str, help: str = HANDED_ON) -> DiagnosticError:
    live = f.neurons[site.index]
    who = f"'{live.path}' ({type(live.module).__name__})"
    return DiagnosticError(f.fault(node, f"the state {name} of {who} {what}", help, live.path, CODE))


def _with_start(spec: NeuronSpec, start: Array | None) -> NeuronSpec:
    if start is None:
        return spec
    return spec if _rests_at(spec, start) else evolve(spec, touch={**spec.touch, "start": _without_batch(start)})


def _rests_at(spec: NeuronSpec, start: Array) -> bool:
    """Whether a neuron starts there anyway."""
    rest = spec.parameters.get(spec.kind.rests_at, 0.0)
    return bool(np.all(start == np.asarray(rest, np.float32)))


def _without_batch(array: Array) -> Array:
    """Numbers without the batch, which is one where the module is traced."""
    if array.ndim < 2:
        return array
    rows = array[:1]
    return rows[0] if np.array_equal(np.broadcast_to(rows, array.shape), array) else array


# -- what is done to a membrane between steps -----------------------------------------------------


@frozen(kw_only=True)
class Carried:
    """What goes on to the next step: clip(one + spike s + membrane u + both s u, low, high), s being 0 or 1."""

    one: Any = 0.0
    spike: Any = 0.0
    membrane: Any = 0.0
    both: Any = 0.0
    low: float = float("-inf")
    high: float = float("inf")

    @property
    def cut(self) -> bool:
        """Whether it is cut off at a level."""
        return self.low != float("-inf") or self.high != float("inf")

    @property
    def is_gate(self) -> bool:
        """Whether it depends on the spike alone."""
        return not np.any(self.membrane) and not np.any(self.both) and not self.cut

    def plus(self, other: Carried, sign: float = 1.0) -> Carried:
        """The sum, or the difference."""
        if self.cut or other.cut:
            raise Unsaid
        names = ("one", "spike", "membrane", "both")
        return Carried(**{n: getattr(self, n) + sign * getattr(other, n) for n in names})

    def times(self, other: Carried) -> Carried:
        """The product, where one of them depends on the spike alone; s s is s."""
        gate, value = (self, other) if self.is_gate else (other, self)
        if not gate.is_gate or value.cut:
            raise Unsaid
        return Carried(
            one=gate.one * value.one,
            spike=gate.one * value.spike + gate.spike * (value.one + value.spike),
            membrane=gate.one * value.membrane,
            both=gate.one * value.both + gate.spike * (value.membrane + value.both),
        )


class Unsaid(Exception):
    """No equation of the language says it."""


@frozen
class Reading:
    """Reads what the user's code makes of a neuron's spikes and membrane."""

    spikes: Any
    membrane: Any
    factor: Any
    consts: Mapping[Any, Any]
    cache: dict[Any, Carried] = field(factory=dict)

    def of(self, node: Any) -> Carried:
        """The form of a node; raises Unsaid."""
        if not hasattr(node, "all_input_nodes"):
            return Carried(one=float(node))
        if node is self.spikes:
            return Carried(spike=self.factor)
        if node is self.membrane:
            return Carried(membrane=1.0)
        if node in self.consts:
            return Carried(one=self.consts[node].numpy().astype(np.float64))
        rule = RULES.get(short_name(node))
        if rule is None:
            raise Unsaid
        if node not in self.cache:
            self.cache[node] = rule(self, *node.args)
        return self.cache[node]


def _binary(sign: float) -> Callable[..., Carried]:
    def combine(r: Reading, x: Any, y: Any, alpha: float = 1.0) -> Carried:
        return r.of(x).plus(r.of(y), sign * alpha)

    return combine


def _divided(r: Reading, x: Any, y: Any) -> Carried:
    divisor = r.of(y)
    if not divisor.is_gate or np.any(divisor.spike) or not np.all(divisor.one):
        raise Unsaid
    return r.of(x).times(Carried(one=1.0 / divisor.one))


def _clamped(r: Reading, x: Any, low: Any = None, high: Any = None) -> Carried:
    ends = [None if end is None else r.of(end) for end in (low, high)]
    if any(e is not None and (not e.is_gate or np.any(e.spike) or np.size(e.one) != 1) for e in ends):
        raise Unsaid
    value = r.of(x)
    low, high = (default if e is None else float(np.ravel(e.one)[0]) for e, default in zip(ends, _OPEN))
    return evolve(value, low=min(max(value.low, low), high), high=max(min(value.high, high), low))


_OPEN = (float("-inf"), float("inf"))


def _compared(test: Callable[[Any, Any], Any]) -> Callable[..., Carried]:
    """A spike compared with a number: what it is at 0 and at 1."""

    def compare(r: Reading, x: Any, y: Any) -> Carried:
        left, right = r.of(x), r.of(y)
        if not left.is_gate or not right.is_gate:
            raise Unsaid
        off = np.asarray(test(left.one, right.one), np.float64)
        on = np.asarray(test(left.one + left.spike, right.one + right.spike), np.float64)
        return Carried(one=off, spike=on - off)

    return compare


def _truth(r: Reading, x: Any, *_: Any) -> Carried:
    """A conversion: of what is 0 or 1 alone, so that nothing changes."""
    value = r.of(x)
    if not value.is_gate or np.any(value.one * (1 - value.one)) or np.any((value.one + value.spike) % 1):
        raise Unsaid
    return value


def _chosen(r: Reading, gate: Any, x: Any, y: Any) -> Carried:
    where = r.of(gate)
    if not where.is_gate:
        raise Unsaid
    return r.of(x).times(where).plus(r.of(y).times(Carried(one=1.0).plus(where, -1.0)))


def _is_truth(node: Any) -> bool:
    return str(node.meta["val"].dtype) == "torch.bool"


def _inverted(r: Reading, x: Any) -> Carried:
    """~x, which is another number where x is no truth value."""
    if not _is_truth(x):
        raise Unsaid
    return Carried(one=1.0).plus(_truth(r, x), -1.0)


def _raised(r: Reading, x: Any, y: Any) -> Carried:
    """A number to the power of a spike."""
    base, gate = r.of(x), r.of(y)
    if not base.is_gate or np.any(base.spike) or not gate.is_gate:
        raise Unsaid
    off, on = base.one**gate.one, base.one ** (gate.one + gate.spike)
    return Carried(one=off, spike=on - off)


def _put(r: Reading, x: Any, where: Any, y: Any, adds: bool = False) -> Carried:
    """membrane[spikes > 0] = a number; where the mask is as long as the membrane, it is a choice."""
    (mask,) = where if len(where) == 1 else (None,)
    value = r.of(y)
    if mask is None or adds or not _is_truth(mask) or shape_of(mask) != shape_of(x) or np.size(value.one) != 1:
        raise Unsaid
    if not value.is_gate or np.any(value.spike):
        raise Unsaid
    return _chosen(r, mask, float(np.ravel(value.one)[0]), x)


RULES: dict[str, Callable[..., Carried]] = {
    "add": _binary(1.0),
    "sub": _binary(-1.0),
    "rsub": lambda r, x, y, alpha=1.0: _binary(-1.0)(r, y, x, alpha),
    "mul": lambda r, x, y: r.of(x).times(r.of(y)),
    "div": _divided,
    "neg": lambda r, x: r.of(x).times(Carried(one=-1.0)),
    "clamp": _clamped,
    "clamp_min": lambda r, x, low: _clamped(r, x, low),
    "clamp_max": lambda r, x, high: _clamped(r, x, None, high),
    "relu": lambda r, x: _clamped(r, x, 0.0),
    "maximum": lambda r, x, y: _clamped(r, x, y),
    "minimum": lambda r, x, y: _clamped(r, x, None, y),
    "clip": _clamped,
    "hardtanh": lambda r, x, low=-1.0, high=1.0: _clamped(r, x, low, high),
    "relu6": lambda r, x: _clamped(r, x, 0.0, 6.0),
    "lerp": lambda r, x, y, by: _chosen(r, by, y, x),
    "pow": _raised,
    "index_put": _put,
    "where": _chosen,
    "masked_fill": lambda r, x, gate, y: _chosen(r, gate, y, x),
    "gt": _compared(operator.gt),
    "ge": _compared(operator.ge),
    "lt": _compared(operator.lt),
    "le": _compared(operator.le),
    "eq": _compared(operator.eq),
    "ne": _compared(operator.ne),
    "logical_not": lambda r, x: Carried(one=1.0).plus(_truth(r, x), -1.0),
    "bitwise_not": _inverted,
    **dict.fromkeys(("to", "_to_copy", "float", "clone", "detach"), _truth),
    **dict.fromkeys(("zeros_like",), lambda r, x, *_: Carried()),
}


def _touched(f: Folder, site: Site, call: Call, name: str, spec: NeuronSpec) -> NeuronSpec:
    """The neuron whose membrane the user's code changes before it hands it on."""
    value, live = call.given[name], f.neurons[site.index]
    place = value.node if value.node.meta.get("stack_trace") else call.node
    own = _own_part(live.row, site, name)
    factor = np.asarray(spec.factor, np.float64)
    try:
        carried = Reading(site.parts[0], own, factor if factor.size > 1 else float(factor), f.consts).of(value.node)
        if issubclass(spec.kind, snn_gated.Gated) or (len(live.row.states) > 1 and live.row.states != ("spk", name)):
            raise Unsaid
        if spec.settings.get("most", 1) != 1 and (np.any(carried.both) or np.any(carried.spike)):
            raise Unsaid  # the reading takes a spike for 0 or 1, and this neuron may give several a step
    except Unsaid:
        raise _elsewhere(f, place, site, name, UNSAID) from None
    return with_touch(spec, carried)


UNSAID = "is changed between the steps in a way that no equation of the language says"


def with_touch(spec: NeuronSpec, carried: Carried) -> NeuronSpec:
    """The neuron with what is carried on; a hard reset by hand is the neuron's own where it has one."""
    parts = {
        "keep": carried.membrane,
        "drop": -1.0 * np.asarray(carried.both),
        "take": -1.0 * np.asarray(carried.spike),
    }
    parts |= {"add": carried.one, "low": carried.low, "high": carried.high}
    usual = {"keep": 1.0, "drop": 0.0, "take": 0.0, "add": 0.0, "low": _OPEN[0], "high": _OPEN[1]}
    changed = {key: _without_batch(np.asarray(v)) for key, v in parts.items() if np.any(np.asarray(v) != usual[key])}
    threshold = spec.parameters.get("threshold")
    by_hand = spec.kind is snn.Leaky and list(changed) == ["drop"] and np.all(changed["drop"] == 1) and not spec.touch
    if by_hand and spec.settings.get("reset_delay", True) and np.all(np.asarray(threshold) >= 0):
        return evolve(spec, settings={**spec.settings, "reset": "zero"})
    return evolve(spec, touch={**spec.touch, **changed})


def undelivered(f: Folder, site: Site, results: list[Any]) -> Diagnostic | None:
    """The fault of one step whose states the caller must hand on, and that does not give them out."""
    live = f.neurons[site.index]
    for name, value in site.calls[0].given.items():
        if not (isinstance(value, Step) and value.node in f.handed):
            continue
        own = _own_part(live.row, site, name)
        if all(not isinstance(r, Step) or r.node is not own for r in results):
            what = f"the {name} that '{live.path}' gives is not what forward returns for '{f.handed[value.node]}'"
            return f.fault(site.calls[0].node, what, HANDED_ON, live.path, CODE)
    return None
