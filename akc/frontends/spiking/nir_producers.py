# SPDX-License-Identifier: Apache-2.0
"""Which tool wrote a NIR file: what each of them writes, and whether its neurons are the same for all that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from akc.base.diagnostics import DiagnosticError, error
from akc.frontends.spiking.nir_neurons import (
    NORSE,
    SNNTORCH,
    SPEC,
    SPIKINGJELLY,
    Array,
    Maker,
    Numbers,
    Request,
    sinabs,
)
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions
from akc.ir.ops import snn, snn_inclusive

# -- who may have written a file -------------------------------------------------------------------


def _is(value: Array, wanted: Any) -> bool:
    """Whether numbers are these, but for what rounding in a file moves."""
    with np.errstate(invalid="ignore"):
        return bool(np.allclose(value, wanted, rtol=1e-3, atol=1e-9))


def _at_rest(p: Numbers) -> bool:
    return _is(p.get("v_leak", np.zeros(())), 0) and _is(p["v_reset"], 0)


def _by_snntorch(kind: str, p: Numbers, dt: float) -> bool:
    if kind == "LIF":
        finite = np.isfinite(p["r"])
        return _at_rest(p) and _is(p["r"][finite], (p["tau"] / dt)[finite])
    if kind == "CubaLIF":
        finite = np.isfinite(p["r"])
        return (
            _at_rest(p)
            and _is(p["r"][finite], (p["tau_mem"] / dt)[finite])
            and _is(p["w_in"][finite], (p["tau_syn"] / dt)[finite])
        )
    return False


def _by_norse(kind: str, p: Numbers, dt: float) -> bool:
    decays = [dt * dt / p[key] for key in ("tau", "tau_mem", "tau_syn") if key in p]
    return (
        kind in ("LIF", "IF", "CubaLIF", "LI")
        and _is(p["r"], 1)
        and _is(p.get("w_in", np.ones(())), 1)
        and all((d <= 1).all() for d in decays)
    )


def _by_sinabs(kind: str, p: Numbers, dt: float) -> bool:
    leaks = "tau" in p and bool((p["tau"] < 0.1 * dt).any())
    return kind in ("LIF", "IF", "LI") and _is(p["r"], 1) and _at_rest(p) and not leaks


def _by_spikingjelly(kind: str, p: Numbers, dt: float) -> bool:
    if kind == "IF":
        return _is(p["r"] * dt, 1)
    if kind == "LIF":
        steps = p["tau"] / dt
        return bool((steps > 1).all()) and _is(p["v_leak"], p["v_reset"]) and (_is(p["r"], 1) or _is(p["r"], steps))
    return kind == "CubaLIF" and _is(p["r"], p["tau_mem"] / dt) and _is(p["w_in"], p["tau_syn"] / dt)


def _by_definition(kind: str, p: Numbers, dt: float) -> bool:
    """Forward Euler is stable while a step takes no more than the whole potential away."""
    return all((dt / p[key] <= 1.0001).all() for key in ("tau", "tau_mem", "tau_syn") if key in p)


@frozen(kw_only=True)
class Producer:
    """A tool: seconds a step where nothing else is said, its neurons by kind of node, and which nodes it may have
    written; what its files mean, for messages and pages."""

    dt: float
    makers: Mapping[str, Maker]
    wrote: Callable[[str, Numbers, float], bool]
    says: str


PRODUCERS: dict[str, Producer] = {
    "snntorch": Producer(
        dt=1e-4,
        makers=SNNTORCH,
        wrote=_by_snntorch,
        says="tau = 1e-4 / (1 - beta), r = tau / 1e-4: read back as snn.Leaky and snn.Synaptic",
    ),
    "spikingjelly": Producer(
        dt=1e-4,
        makers=SPIKINGJELLY,
        wrote=_by_spikingjelly,
        says="tau = steps * 1e-4, r = 1 (decay_input) or steps; fires from its threshold on",
    ),
    "norse": Producer(
        dt=1e-3, makers=NORSE, wrote=_by_norse, says="tau = dt / tau_mem_inv, the inverse of what it should be"
    ),
    "sinabs": Producer(
        dt=1.0,
        makers=sinabs(bounded=False, normalised=True),
        wrote=_by_sinabs,
        says="tau in steps of a decay exp(-1 / tau), LIF inputs times 1 - exp(-1 / tau); several spikes a step, each"
        " subtracts the threshold",
    ),
    "sinabs-reader": Producer(
        dt=1.0,
        makers=sinabs(bounded=True, normalised=False),
        wrote=_by_sinabs,
        says="as sinabs' from_nir reads the same file: LIF inputs as they are, IF potentials no lower than -threshold",
    ),
    "spec": Producer(dt=1e-4, makers=SPEC, wrote=_by_definition, says="the definition, by forward Euler"),
}


# -- what a neuron does, in numbers that compare ---------------------------------------------------


@frozen(kw_only=True, eq=False)
class Behaviour:
    """A step of a neuron: v = keep v + gain x + leak, through a current that keeps `synapse`; then spikes, reset."""

    keep: Any
    gain: Any
    leak: Any = 0.0
    threshold: Any = 0.0
    synapse: Any = 0.0
    floor: Any = float("-inf")
    level: Any = 0.0
    spikes: str = "one spike a step at most"
    reset: str = "then starts again"

    def same(self, other: Behaviour) -> bool:
        """Whether both give the same spikes, but for potentials that meet the threshold exactly."""
        words = (self.spikes, self.reset) == (other.spikes, other.reset)
        return words and all(_is(getattr(self, key), getattr(other, key)) for key in NUMBERS)

    def words(self) -> str:
        """For a message: of the first neuron."""
        shown = (self.keep, self.gain, self.synapse, self.leak)
        keep, gain, synapse, leak = (float(np.asarray(value).flat[0]) for value in shown)
        constant = f" and {leak:.3g} of its own" if leak else ""
        current = f", through a current that keeps {synapse:.3g}" if synapse else ""
        floor = ", never below minus its threshold" if np.isfinite(self.floor).all() else ""
        moves = f"keeps {keep:.5g} of its potential a step, adds {gain:.3g} times its input{current}{constant}"
        return f"{moves}, {self.spikes}, {self.reset}{floor}"


NUMBERS = ("keep", "gain", "leak", "threshold", "synapse", "floor", "level")

SUBTRACTS = "then loses its threshold"


def behaviour(spec: NeuronSpec) -> Behaviour:
    """What the neuron does at each step."""
    p = {key: np.asarray(value, np.float64) for key, value in spec.parameters.items()}
    found: Behaviour = BEHAVIOURS[spec.kind](p, np.asarray(spec.gain, np.float64), spec.settings)
    return found


def _reset(settings: Mapping[str, Any], level: Any) -> dict[str, Any]:
    soft = settings.get("reset") == "subtract"
    return {"reset": SUBTRACTS} if soft else {"level": level}


def _box_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    step = settings["dt"] * p["tau_mem_inv"]
    fires = {"threshold": p["v_th"], **_reset(settings, p["v_reset"])} if "v_th" in p else {"spikes": "never fires"}
    return Behaviour(keep=1 - step, gain=gain * step, leak=step * p["v_leak"], **fires)


def _leaky_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    late = settings["reset"] == "subtract" and not _is(p["beta"], 1)
    reset = {"reset": "loses its threshold a step later"} if late else _reset(settings, 0.0)
    return Behaviour(keep=p["beta"], gain=gain, threshold=p["threshold"], **reset)


def _synaptic_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    words = {"zero": "loses all a step later, with that step's input", "subtract": "loses its threshold a step later"}
    return Behaviour(
        keep=p["beta"],
        gain=gain,
        threshold=p["threshold"],
        synapse=p["alpha"],
        reset=words.get(settings["reset"], "no reset"),
    )


def _cubalif_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    mem, syn = settings["dt"] / p["tau_mem"], settings["dt"] / p["tau_syn"]
    return Behaviour(
        keep=1 - mem,
        gain=mem * syn * p["r"] * p["w_in"],
        leak=mem * p["v_leak"],
        threshold=p["v_threshold"],
        synapse=1 - syn,
        **_reset(settings, p["v_reset"]),
    )


def _norse_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    mem, syn = settings["dt"] * p["tau_mem_inv"], settings["dt"] * p["tau_syn_inv"]
    fires = {"threshold": p["v_th"], "level": p["v_reset"]} if "v_th" in p else {"spikes": "never fires"}
    return Behaviour(keep=1 - mem, gain=gain * mem, leak=mem * p["v_leak"], synapse=1 - syn, **fires)


def _sj_lif_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    share, soft = 1 / p["tau"], settings["reset"] == "subtract"
    return Behaviour(
        keep=1 - share,
        gain=gain * share if settings["decay_input"] else gain,
        leak=0.0 if soft else share * p["v_reset"],
        threshold=p["v_threshold"],
        **_reset(settings, p["v_reset"]),
    )


def _sinabs_behaviour(p: Numbers, gain: Array, settings: Mapping[str, Any]) -> Behaviour:
    reset = {"reset": SUBTRACTS + " for each"} if settings["reset"] == "subtract" else {"level": p["v_reset"]}
    return Behaviour(
        keep=p["alpha"],
        gain=gain,
        threshold=p["threshold"],
        floor=p.get("v_min", np.asarray(-np.inf)),
        spikes="as many spikes a step as fit",
        **reset,
    )


BEHAVIOURS: dict[Any, Callable[[Any, Any, Any], Behaviour]] = {
    snn.LifBox: _box_behaviour,
    snn.LiBox: _box_behaviour,
    snn.Leaky: _leaky_behaviour,
    snn.Synaptic: _synaptic_behaviour,
    snn.CubaLif: _cubalif_behaviour,
    snn.Lif: _norse_behaviour,
    snn.Li: _norse_behaviour,
    snn.Iaf: lambda p, gain, s: Behaviour(keep=1.0, gain=gain, threshold=p["v_th"], **_reset(s, p["v_reset"])),
    snn_inclusive.SjIf: lambda p, gain, s: Behaviour(
        keep=1.0, gain=gain, threshold=p["v_threshold"], **_reset(s, p["v_reset"])
    ),
    snn_inclusive.SjLif: _sj_lif_behaviour,
    snn_inclusive.SinabsLif: _sinabs_behaviour,
}


# -- one file ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Writers:
    """The neuron nodes of a file: name, kind of node and arrays in the order of the graph."""

    file: str
    nodes: list[tuple[str, str, Numbers]]
    options: SpikingOptions

    def specs(self, producer: str) -> dict[str, NeuronSpec]:
        """What they are if this tool wrote the file."""
        return {name: self.spec(producer, kind, p) for name, kind, p in self.nodes}

    def spec(self, producer: str, kind: str, p: Numbers) -> NeuronSpec:
        """One neuron of this tool."""
        row = PRODUCERS[producer]
        return row.makers[kind](Request(p=p, dt=self.options.dt or row.dt, reset=self.options.reset or ""))

    def writers(self) -> list[str]:
        """Tools whose habits the numbers fit."""
        return [
            tool
            for tool, row in PRODUCERS.items()
            if all(row.wrote(kind, p, self.options.dt or row.dt) for _, kind, p in self.nodes)
        ] or ["spec"]

    def groups(self) -> list[list[str]]:
        """Possible writers, together where every neuron is the same for them."""
        found: list[tuple[dict[str, Behaviour], list[str]]] = []
        for tool in self.writers():
            acts = {name: behaviour(spec) for name, spec in self.specs(tool).items()}
            alike = next((tools for other, tools in found if all(acts[n].same(other[n]) for n in acts)), None)
            if alike is None:
                found.append((acts, [tool]))
            else:
                alike.append(tool)
        return [tools for _, tools in found]

    def producer(self) -> str:
        """The tool that the user names, or the only one that fits; raises AKC0330 where several would differ."""
        named = self.options.producer
        if named != "auto" and named not in PRODUCERS:
            known = ", ".join(("auto", *PRODUCERS))
            raise error("AKC0381", f"there is no producer {named!r}", help=f"producers are {known}")
        if named != "auto":
            return named
        groups = self.groups()
        if len(groups) > 1:
            raise self.ambiguous(groups)
        if self.nodes:
            dt = self.options.dt or PRODUCERS[groups[0][0]].dt
            self.options.note(f"{self.file} is read as {' or '.join(groups[0])} would write it (dt {dt:g} s)")
        return groups[0][0]

    def ambiguous(self, groups: list[list[str]]) -> DiagnosticError:
        """Several tools may have written the file, and the first neuron shows what each would mean."""
        meanings = {tools[0]: self.specs(tools[0]) for tools in groups}
        name = next(n for n, _, _ in self.nodes if not _agree([behaviour(specs[n]) for specs in meanings.values()]))
        kind, p = next((kind, p) for n, kind, p in self.nodes if n == name)
        shown = ", ".join(f"{key} {float(p[key].flat[0]):.3g}" for key in ("tau", "tau_mem", "r") if key in p)
        return error(
            "AKC0330",
            f"{self.file} does not say which tool wrote it; '{name}' ({kind}: {shown}) is another neuron for each",
            origin=(name,),
            help=tuple(
                f"--producer {tool}{_others(tools)}: {behaviour(meanings[tool][name]).words()}"
                for tool, *tools in groups
            ),
        )

    def note_resets(self, producer: str) -> None:
        """One warning for all neurons whose reset the file leaves open."""
        silent = [name for name, kind, _ in self.nodes if kind in ("LIF", "IF", "CubaLIF")]
        if self.options.reset is not None or not silent:
            return
        usual = "the threshold is subtracted, as sinabs does" if producer.startswith("sinabs") else "v_reset is taken"
        other = "zero" if producer.startswith("sinabs") else "subtract"
        self.options.note(
            f"NIR does not say how a spike resets the membrane; {usual} (--reset {other} says otherwise)", *silent
        )


def _others(tools: list[str]) -> str:
    return f" (or {', '.join(tools)})" if tools else ""


def _agree(acts: list[Behaviour]) -> bool:
    return all(one.same(acts[0]) for one in acts)
