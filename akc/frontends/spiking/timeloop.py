# SPDX-License-Identifier: Apache-2.0
"""Live spiking PyTorch modules: the table's rows, and tracing with every neuron as one node.

During tracing each neuron module is of a class whose forward is one opaque operator. It takes the states that the
user's code hands over, or those that the module keeps, and gives new ones, so that every edge which carries a state is
in the traced graph. akc.frontends.spiking.fold makes one step of it.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Any

from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.spiking.fold import RANDOM, Folder, NeedsTime
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions
from akc.frontends.spiking.readout import folded_module
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.time_axis import input_shape, time_axes
from akc.frontends.torch.export import import_torch
from akc.frontends.torch.users_code import in_users_code, line_of_trace
from akc.ir.module import Module

Shape = tuple[int, ...]

REST = "rest"
"""What a state is that was put back to its start, or that the framework throws away."""

OWN_SPIKES = ("spk", "z")
"""States that are the neuron's own spikes of the step before."""

MEMBRANES = ("mem", "v", "v_mem")
"""What frameworks call the membrane."""


def handed_over(module: Any, shape: Shape, states: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """The states among the arguments of a forward that takes one argument for each, by position or by name."""
    given = dict(zip(find_states(module), states)) | dict(named)
    return {name: value for name, value in given.items() if value is not None}


@frozen(kw_only=True)
class NeuronRow:
    """A class of a spiking framework: what it becomes, or why it is refused.

    package: the top module that the class comes from, so that a user's class of the same name is not taken for it;
    verdict: exact, approximate, host or refused; how: a line for the table of compatibility; applies: whether a
    refusal holds for this module; read: the neuron of a live module; before: what the module does to its input first;
    sizes: shapes of its spikes and its membrane, made from that of the input; states: names of its states, in the
    order of forward's arguments; given: those that are passed to forward (module, shape of a state, positional
    arguments behind the input, named ones), REST for one that forward throws away; keeps: whether the module keeps
    the states itself, as attributes of these names, where none are passed; resets: methods that bring them back to
    rest; result: what forward gives, made from (module, spikes, states by name); over_time: whether it takes all
    steps at once, time first (states are then those of all steps), for all modules or as a function of the module;
    squeezed: whether its axis of time is the batch too.
    """

    name: str
    verdict: str
    package: str = ""
    how: str = ""
    refusal: str = ""
    applies: Callable[[Any], bool] = lambda module: True
    read: Callable[[Any, SpikingOptions, str], NeuronSpec] | None = None
    before: Callable[[Any, Any], Any] = lambda module, x: x
    sizes: Callable[[Any, Shape], tuple[Shape, Shape]] = lambda module, shape: (shape, shape)
    states: tuple[str, ...] = ()
    given: Callable[[Any, Shape, Sequence[Any], Mapping[str, Any]], dict[str, Any]] = handed_over
    keeps: bool = False
    resets: tuple[str, ...] = ()
    result: Callable[[Any, Any, dict[str, Any]], Any] = lambda module, spikes, states: spikes
    over_time: bool | Callable[[Any], bool] = False
    squeezed: bool = False

    @property
    def membrane(self) -> str:
        """Which state is the membrane; the last one where none has a usual name."""
        return next((name for name in self.states if name in MEMBRANES), self.states[-1] if self.states else "mem")

    @property
    def own_states(self) -> tuple[str, ...]:
        """The states that are not the neuron's own spikes; a membrane where none is named."""
        return tuple(name for name in self.states if name not in OWN_SPIKES) or ("mem",)

    def takes_time(self, module: Any) -> bool:
        """Whether a module takes all steps at once."""
        return self.over_time(module) if callable(self.over_time) else self.over_time


Rows = Mapping[str, NeuronRow]


@frozen(kw_only=True)
class Live:
    """A neuron of a live module: its path, itself, its row and what it becomes."""

    path: str
    module: Any
    row: NeuronRow
    spec: NeuronSpec

    @property
    def takes_time(self) -> bool:
        """Whether it takes all steps at once."""
        return self.row.takes_time(self.module)


def find_states(module: Any) -> tuple[str, ...]:
    """Names of the states of a module that is being traced."""
    return tuple(getattr(type(module), "_akc_states", ()))


def find_row(module: Any, rows: Rows) -> NeuronRow | None:
    """The row of a module's class, or of the nearest base that has one."""
    return next((rows[c.__name__] for c in type(module).__mro__ if c.__name__ in rows and is_from(c, rows)), None)


def is_from(kind: type, rows: Rows) -> bool:
    """Whether a class comes from the package of the row of its name."""
    return rows[kind.__name__].package in ("", kind.__module__.split(".")[0])


def packages_of(model: Any) -> set[str]:
    """The top modules that the classes of a model's parts, and their bases, come from."""
    return {base.__module__.split(".")[0] for part in model.modules() for base in type(part).__mro__}


def read_loop(model: Any, example: Any, rows: Rows, options: SpikingOptions, name: str | None = None) -> Module:
    """The module of a live spiking network; see `akc.frontends.spiking.snntorch.read_snntorch`."""
    import_torch()
    neurons = _neurons(model, rows, options)
    if not neurons:
        raise error(
            "AKC0386", f"{type(model).__name__} holds no spiking neuron", help="docs/compatibility.md lists them"
        )
    inputs = _example(example)
    program = trace(model, inputs, neurons)
    folded = _folded(program, name or type(model).__name__, neurons)
    if folded.steps == 1 and any(n.row.keeps for n in neurons):
        folded = _folded(trace(model, inputs, neurons, calls=2), folded.name, neurons, calls=2)
    return folded_module(folded, options)


def _folded(program: Any, name: str, neurons: list[Live], calls: int = 1) -> Folder:
    """The folded network, its input's time axis where the code or a layer that takes all steps shows it."""
    axes = time_axes(program, any(n.takes_time for n in neurons))
    joined = axes[-1] is not None and any(n.row.squeezed for n in neurons) and input_shape(program)[0] > 1
    for axis in [0] if joined else axes:
        folder = Folder(program, name, neurons, axis, joined, calls)
        try:
            folder.run()
        except NeedsTime as needs:
            if joined or axis == axes[-1]:
                raise needs.fault from None
        else:
            return folder
    raise AssertionError("there is always one axis to try")


# -- tracing -------------------------------------------------------------------------------------


def _neurons(model: Any, rows: Rows, options: SpikingOptions) -> list[Live]:
    """Every neuron module with its path and row; raises with all that are refused."""
    found = [(path, m, row) for path, m in model.named_modules() if (row := find_row(m, rows)) is not None]
    faults = [
        REFUSALS[reason].diagnostic(path or type(m).__name__, type(m).__name__)
        for path, m, row in found
        if (reason := _refusal(m, row))
    ]
    if faults:
        raise DiagnosticError(faults)
    return [
        Live(path=path, module=m, row=row, spec=row.read(m, options, path))
        for path, m, row in found
        if row.read is not None
    ]


def _refusal(module: Any, row: NeuronRow) -> str:
    """Why a module is refused; a class with a forward of its own is not what its base is."""
    if row.refusal:
        return row.refusal if row.applies(module) else ""
    below = next((c for c in type(module).__mro__ if c.__name__ == row.name or "forward" in vars(c)), None)
    return "" if below is not None and below.__name__ == row.name else "own-forward"


def _example(example: Any) -> tuple[Any, ...]:
    """Example tensors: the first is the input, the rest are states."""
    import torch

    if isinstance(example, tuple | list) and example and all(isinstance(n, int) for n in example):
        example = torch.zeros(*example)
    if isinstance(example, tuple | list) and len(example) == 1 and not hasattr(example[0], "detach"):
        return _example(example[0])
    tensors = tuple(example) if isinstance(example, tuple | list) else (example,)
    if not tensors or not all(hasattr(t, "detach") for t in tensors):
        raise error(
            "AKC0312",
            "spiking modules are traced with an example input",
            help="give its shape with the batch axis: --example 1,784, or example=(1, 784) in Python",
        )
    return tensors


@cache
def neuron_operator() -> Any:
    """The operator that stands for a neuron while a module is traced.

    (spikes, *states) = akc::neuron(x, states that are given, which they are, index, shape of the spikes, shape of the
    states, their number)
    """
    import torch

    def neuron(x: Any, given: Any, which: Any, index: int, spikes: Any, states: Any, count: int) -> Any:
        return [x.new_zeros(spikes), *(x.new_zeros(states) for _ in range(count))]

    kinds = {"x": torch.Tensor, "given": list[torch.Tensor], "which": list[int], "index": int, "spikes": list[int],
             "states": list[int], "count": int, "return": list[torch.Tensor]}  # fmt: skip
    neuron.__annotations__ = kinds
    operator = torch.library.custom_op("akc::neuron", neuron, mutates_args=())
    operator.register_fake(neuron)
    return operator


def trace(model: Any, inputs: tuple[Any, ...], neurons: list[Live], calls: int = 1) -> Any:
    """The exported program of a model, its neurons opaque and nothing written in place.

    calls: how often forward is called, one after the other; the result is then that of each call. The model and its
    parts are afterwards what they were.
    """
    kept = [(module, type(module), _copied(vars(module))) for module in model.modules()]
    states: list[dict[str, Any]] = [dict.fromkeys(n.row.states, REST) if n.row.keeps else {} for n in neurons]
    try:
        for index, live in enumerate(neurons):
            live.module.__class__ = _opaque(live, index, states[index])
        model.forward = _called(model.forward, calls, states)
        return _functional(_export(model, inputs))
    finally:
        for module, kind, state in kept:
            module.__class__ = kind
            vars(module).clear()
            vars(module).update(state)


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A module's attributes; its tables of parameters, buffers and the like are copied too."""
    return {key: value.copy() if isinstance(value, dict | list | set) else value for key, value in state.items()}


def _called(forward: Callable[..., Any], calls: int, states: Sequence[dict[str, Any]]) -> Callable[..., Any]:
    """A model's forward, called so often from rest; the neurons are at rest again behind it."""

    @wraps(forward)
    def run(*x: Any) -> Any:
        results = tuple(forward(*x) for _ in range(calls))
        for kept in states:
            kept.update(dict.fromkeys(kept, REST))
        return results if calls > 1 else results[0]

    return run


def _opaque(live: Live, index: int, kept: dict[str, Any]) -> type:
    """A class for a neuron whose forward is the operator; states that the module keeps are kept in `kept`."""
    row, kind = live.row, type(live.module)

    def forward(self: Any, x: Any, *states: Any, **named: Any) -> Any:
        current = row.before(self, x)
        spikes, membrane = row.sizes(self, tuple(current.shape))
        known = {**kept, **row.given(self, membrane, states, named)}
        given = {name: _tensor(value, x, membrane) for name, value in known.items() if not _at_rest(value)}
        which = [row.states.index(name) for name in given]
        sizes = (list(spikes), list(membrane), len(row.own_states))
        made = neuron_operator()(current, list(given.values()), which, index, *sizes)
        new = {**dict.fromkeys(OWN_SPIKES, made[0]), **dict(zip(row.own_states, made[1:]))}
        kept.update({name: new[name] for name in kept})
        return row.result(self, made[0], new)

    def set_attribute(self: Any, name: str, value: Any) -> None:
        if name in kept:
            kept[name] = value
        else:
            super(own[0], self).__setattr__(name, value)

    def reset(self: Any, *_: Any, **__: Any) -> None:
        kept.update(dict.fromkeys(kept, REST))

    members: dict[str, Any] = {"forward": forward, "_akc_states": row.states, "__module__": kind.__module__}
    members |= {"__setattr__": set_attribute} | dict.fromkeys(row.resets, reset)
    members |= {name: property(_kept_state(kept, name)) for name in kept}
    own: list[Any] = [type(kind.__name__, (kind,), members)]
    kept_class: type = own[0]
    return kept_class


def _kept_state(kept: Mapping[str, Any], name: str) -> Callable[[Any], Any]:
    """What the attribute of a kept state gives: the module's own while it is at rest."""

    def get(self: Any) -> Any:
        places = (vars(self), vars(self)["_buffers"], vars(self).get("_memories", {}))
        return next(p[name] for p in places if name in p) if _at_rest(kept[name]) else kept[name]

    return get


def _at_rest(value: Any) -> bool:
    return isinstance(value, str) or (hasattr(value, "numel") and value.numel() == 0)


def _tensor(value: Any, like: Any, shape: Shape) -> Any:
    """A state as a tensor; a number stands for one at every neuron."""
    return value if hasattr(value, "detach") else like.new_full(shape, float(value))


def _export(model: Any, inputs: tuple[Any, ...]) -> Any:
    import torch

    model.eval()
    with (
        torch.no_grad(),
        in_users_code(
            "AKC0310", "the module cannot be traced", ("does the example have the shape that forward takes?",)
        ),
        _no_encoders(),
    ):
        try:
            return torch.export.export(model, inputs, strict=False)
        except Exception as fault:
            frames = traceback.extract_tb(fault.__traceback__)
            if not any(f.filename.endswith(SPIKEGEN) for f in frames):
                raise
            raise DiagnosticError(_encoder("", frames)) from None


def _no_encoders() -> Any:
    """Refuse what draws random numbers where it does, and say which of snnTorch's encoders it was."""
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __torch_function__(self, call: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
            if getattr(call, "__name__", "") in RANDOM:
                raise DiagnosticError(_encoder(call.__name__, traceback.extract_stack()))
            return call(*arguments, **(named or {}))

    return Watch()


def _encoder(drawn: str, frames: traceback.StackSummary) -> Diagnostic:
    """The refusal of an encoder, at the user's line."""
    known = [f.name for f in frames if f.filename.endswith(SPIKEGEN)]
    said = REFUSALS["encoder-inside"].diagnostic("", f"spikegen.{known[0]}" if known else drawn)
    span = line_of_trace("".join(traceback.format_list(frames)))
    return said if span is None else evolve(said, span=span, label="here")


SPIKEGEN = "snntorch/spikegen.py"
"""Where snnTorch's encoders are."""


def _functional(program: Any) -> Any:
    """A program without operators that write in place; AKC0315 where forward changes a buffer of the user's own."""
    calls = [n for n in program.graph_module.graph.nodes if n.op == "call_function"]
    if any(getattr(getattr(n.target, "_schema", None), "is_mutable", False) for n in calls):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = program.run_decompositions({})
    changed = sorted(set(program.graph_signature.buffers_to_mutate.values()))
    if changed:
        raise error(
            "AKC0315",
            f"forward changes {', '.join(changed)} of the module, a state that is no neuron's",
            help="keep what must last from step to step in the framework's neurons, or in variables of forward",
        )
    return program
