# SPDX-License-Identifier: Apache-2.0
"""Folds a traced time loop into one step: equal nodes become one, and what they are at which step is kept beside them.

Every value of the trace is read as one of akc.frontends.spiking.values. Operators that know time (sums, stacks, steps
of the input) stand in akc.frontends.spiking.over_time; all others work on values of one step, or on values that have
been read out. Nothing is taken for the same at another time, and every state that a neuron is given is kept with its
call, for akc.frontends.spiking.states to account for.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from akc.base.diagnostics import Diagnostic, DiagnosticError, Span
from akc.frontends.spiking.each_step import TIMED
from akc.frontends.spiking.over_time import WITH_TIME, read_peak, read_total, resolved
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.sites import Call, Site, check_sites
from akc.frontends.spiking.values import (
    EACH,
    FREE,
    READ,
    Const,
    Many,
    Peak,
    Slots,
    Step,
    Time,
    Timed,
    Total,
    Unread,
    shape_of,
    short_name,
    times_of,
)
from akc.frontends.torch.reader import states_of
from akc.frontends.torch.users_code import line_of_trace

RANDOM = ("rand", "rand_like", "randn", "randn_like", "bernoulli", "poisson", "normal", "randint", "uniform")
"""Operators that draw random numbers."""

ALIKE = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")
"""Operators that take no more than the shape of their operand."""

_ALIASES = """contiguous clone alias detach lift_fresh_copy lift_fresh detach_copy to _to_copy float type_as dropout
    feature_dropout alpha_dropout expand view reshape"""
ALIASES = tuple(_ALIASES.split())
"""Operators that give their operand where its shape and type stay."""

NOTHING = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")


class NeedsTime(Exception):
    """A layer that takes all steps gets a value without a time axis; perhaps the input has one."""

    def __init__(self, fault: DiagnosticError) -> None:
        super().__init__()
        self.fault = fault


@define
class Folder:
    """One pass over the traced nodes. `neurons` are akc.frontends.spiking.timeloop.Live."""

    program: Any
    name: str
    neurons: Sequence[Any]
    time_axis: int | None = None
    """Which axis of the input is time, None where it has none."""
    is_batch: bool = False
    """Whether that axis is the batch too, of one sample."""
    whole_calls: int = 1
    """How often forward was called in the trace."""
    graph: Any = field(init=False)
    env: dict[Any, Any] = field(factory=dict)
    seen: dict[Any, Any] = field(factory=dict)
    consts: dict[Any, Any] = field(factory=dict)
    """Tensors, by their nodes in the folded graph."""
    digests: dict[Any, Any] = field(factory=dict)
    """What known tensors hold, by their nodes."""
    owners: dict[Any, str] = field(factory=dict)
    sites: dict[Any, Site] = field(factory=dict)
    source: Any = None
    """The node of the network's input in the folded graph: that of one step."""
    handed: dict[Any, str] = field(factory=dict)
    """Nodes of further inputs, the states that the caller hands over."""
    results: list[Any] = field(factory=list)

    def run(self) -> None:
        """Read all nodes; raises DiagnosticError AKC0383, AKC0393, NeedsTime."""
        import torch

        self.graph = torch.fx.Graph()
        states = states_of(self.program)
        for node in self.program.graph_module.graph.nodes:
            if node.op == "placeholder":
                self.placeholder(node, states)
            elif node.op == "get_attr":
                self.env[node] = self.constant(getattr(self.program.graph_module, node.target), node.name)
            elif node.op == "call_function" and short_name(node) not in NOTHING:
                self.env[node] = self.call(node)
            elif node.op == "output":
                self.results = list(node.args[0])
        check_sites(self)

    def value(self, argument: Any) -> Any:
        """The value of an argument that is a node."""
        return self.env[argument]

    # -- what the trace starts from ---------------------------------------------------------------

    def placeholder(self, node: Any, states: Mapping[str, tuple[str, Any]]) -> None:
        if node.name in states:
            owner, tensor = states[node.name]
            self.env[node] = self.constant(tensor, node.name, owner)
        elif self.source is None:
            self.env[node] = self.input(node)
        else:
            made = self.placed(node.name, node.meta["val"])
            self.handed[made] = node.name
            self.env[node] = Step(made, EACH)

    def input(self, node: Any) -> Any:
        """The network's input: the same at each step, or with a time axis."""
        import torch

        whole = node.meta["val"]
        if self.time_axis is None:
            self.source = self.placed(node.name, whole)
            return Step(self.source, EACH)
        shape = list(whole.shape)
        steps = shape.pop(self.time_axis)
        if self.is_batch:
            shape.insert(self.time_axis, 1)
        self.source = self.placed(node.name, torch.empty(shape, device="meta"))
        return Timed(self.source, self.time_axis, tuple(range(steps)), self.is_batch)

    def placed(self, name: str, value: Any) -> Any:
        """A placeholder of the folded graph."""
        made = self.graph.create_node("placeholder", name, name=name)
        made.meta["val"] = value
        return made

    def constant(self, tensor: Any, name: str, owner: str = "") -> Const:
        """A known tensor; equal ones are one node, since copies of a layer at each step are the same layer."""
        plain = tensor.detach().cpu().contiguous()
        made = self.graph.create_node("get_attr", name, name=name)
        made.meta["val"] = plain
        numbers = plain.float() if plain.is_floating_point() else plain
        digest = hashlib.sha1(numbers.numpy().tobytes()).digest()
        self.consts[made], self.digests[made] = plain, (str(plain.dtype), tuple(plain.shape), digest)
        if owner:
            self.owners[made] = owner
        return Const(plain, made)

    def canonical(self, argument: Any) -> Any:
        """An argument such that those which give the same are equal."""
        if isinstance(argument, list | tuple):
            return tuple(self.canonical(a) for a in argument)
        if hasattr(argument, "all_input_nodes"):
            return self.digests.get(argument, argument)
        return repr(argument)

    # -- one node after the other -----------------------------------------------------------------

    def call(self, node: Any) -> Any:
        name, operands = short_name(node), [self.value(a) for a in node.all_input_nodes]
        if name == "neuron":
            return self.neuron(node)
        self.refuse_random(node, name)
        if name == "getitem":
            base = self.value(node.args[0])
            if isinstance(base, Many):
                return base.parts[node.args[1]]
        known = self.known(node, name, operands)
        if known is not None:
            return known
        if name in ALIASES and _same_kind(node) and not (name.endswith("dropout") and node.args[2]):
            return self.value(node.args[0])
        if name in WITH_TIME and (found := WITH_TIME[name](self, node)) is not None:
            return found
        operands = [self.value(a) for a in node.all_input_nodes]
        if any(isinstance(v, Timed) for v in operands):
            found = TIMED[name](self, node) if name in TIMED else None
            if found is not None:
                return found
            whole = [v for v in operands if isinstance(v, Timed) and v.whole is None]
            if whole:
                raise DiagnosticError(self.fault(node, f"{name} works on values of all steps at once", BEHIND))
        return self.general(node)

    def refuse_random(self, node: Any, name: str) -> None:
        """Encoders draw spikes at random, or come from snnTorch's spikegen."""
        frames = [line for line in str(node.meta.get("stack_trace", "")).splitlines() if "snntorch/spikegen.py" in line]
        if name in RANDOM or frames:
            what = f"spikegen.{frames[0].rpartition(' in ')[2]}" if frames else name
            raise DiagnosticError(self.placed_fault(REFUSALS["encoder-inside"].diagnostic("", what), node))

    def known(self, node: Any, name: str, operands: list[Any]) -> Const | None:
        """The value of a node whose operands are all known, or that takes a shape only."""
        import torch

        value = node.meta.get("val")
        if not hasattr(value, "shape"):
            return None
        if name in ALIKE:
            node = _Shaped(node, torch.empty(tuple(shape_of(node.args[0])), dtype=node.args[0].meta["val"].dtype))
        elif not all(isinstance(v, Const) for v in operands):
            return None
        arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: self.value(n).tensor)
        with torch.no_grad():
            return self.constant(node.target(*arguments, **keywords), node.name)

    def general(self, node: Any) -> Any:
        """An ordinary operator on values of one step, or on values that were read out."""
        import torch

        operands = {a: self.settled(self.value(a), node) for a in node.all_input_nodes}
        times = times_of(list(operands.values()))
        time = common_time(times)
        if time is None:
            operands = {a: self.freed(v, node) for a, v in operands.items()}
            time = FREE
        arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), lambda a: operands[a].node)
        made = self.make(node.target, arguments, keywords, node, node.meta["val"])
        if isinstance(node.meta["val"], list | tuple):
            return Many(tuple(Step(self.part(made, i, node), time) for i in range(len(node.meta["val"]))))
        return Step(made, time)

    def make(self, target: Any, arguments: Any, keywords: Any, like: Any, value: Any = None) -> Any:
        """A node of the folded graph: the one that was made before with the same operands, or a new one.

        value: what it gives, in shape and type; worked out where it is not said.
        """
        key = (str(target), self.canonical(arguments), self.canonical(sorted(dict(keywords).items())))
        if key not in self.seen:
            made = self.graph.create_node("call_function", target, tuple(arguments), dict(keywords), name=like.name)
            made.meta.update({k: like.meta[k] for k in ("nn_module_stack", "stack_trace") if k in like.meta})
            made.meta["val"] = _worked_out(made) if value is None else value
            self.seen[key] = made
        return self.seen[key]

    def part(self, made: Any, index: int, like: Any) -> Any:
        """One of several results of a folded node."""
        return self.make(operator.getitem, (made, index), {}, like, made.meta["val"][index])

    # -- values that lose their time --------------------------------------------------------------

    def settled(self, value: Any, node: Any) -> Any:
        """A value of one step, or free: what is still a sum, a peak or a list of slots is read out."""
        if isinstance(value, Slots):
            value = resolved(self, value, node)
        if isinstance(value, Timed) and value.whole is not None:
            return value.whole
        if isinstance(value, Total):
            return read_total(self, value, node)
        if isinstance(value, Peak):
            return read_peak(self, value, node)
        if isinstance(value, Unread):
            raise DiagnosticError(self.fault(node, f"forward reads {value.what}, which has no value here", value.help))
        if isinstance(value, Timed | Many):
            raise DiagnosticError(self.fault(node, f"{short_name(node)} works on values of all steps at once", BEHIND))
        return value

    def freed(self, value: Any, node: Any) -> Any:
        """A value behind a read-out: that of its one step."""
        if isinstance(value, Const) or value.time == FREE:
            return value
        steps = {} if value.time == EACH else {value.time: 1.0}
        return Step(self.read(value.node, "weighted" if steps else "last", steps, node), FREE)

    def read(self, x: Any, how: str, steps: Mapping[int, float], like: Any) -> Any:
        """A read-out of a folded node over time; steps: the factor of each, for how=weighted and how=max."""
        return self.make(READ, (x, how, tuple(sorted(steps.items()))), {}, like, x.meta["val"])

    # -- neurons ----------------------------------------------------------------------------------

    def neuron(self, node: Any) -> Many:
        x, given, which, index = node.args[0], node.args[1], node.args[2], int(node.args[3])
        live = self.neurons[index]
        value = self.settled(v, node) if not isinstance(v := self.value(x), Timed) else v
        if live.takes_time:
            if not isinstance(value, Timed) or value.dim != 0:
                what = f"'{live.path}' takes all steps at once, and gets a value without a time axis in front"
                raise NeedsTime(DiagnosticError(self.fault(node, what, "give the example with its time axis first")))
        elif not isinstance(value, Step) or value.time == FREE:
            got = "numbers that do not depend on the input" if isinstance(value, Const) else "a value of several steps"
            what = f"'{live.path}' ({type(live.module).__name__}) gets {got}"
            raise DiagnosticError(self.fault(node, what, ONE_STEP))
        site = self.site(node, index, value)
        time = len(site.calls)
        names = [live.row.states[i] for i in which]
        site.calls.append(Call({name: self.value(a) for name, a in zip(names, given)}, node))
        if isinstance(value, Timed):
            site.at_once = len(value.steps)
            self.check_whole(node, value, time)
            return Many(tuple(Timed(part, 0, value.steps, value.kept) for part in site.parts))
        if isinstance(value, Step) and value.time not in (EACH, time):
            what = f"'{live.path}' reads step {value.time} when it runs for step {time}"
            raise DiagnosticError(self.fault(node, what, ONE_STEP))
        return Many(tuple(Step(part, time) for part in site.parts))

    def check_whole(self, node: Any, value: Timed, call: int) -> None:
        """A neuron that takes all steps takes them once, in their order."""
        if call or value.steps != tuple(range(len(value.steps))):
            what = f"'{self.neurons[int(node.args[3])].path}' gets its steps in several calls, or in another order"
            raise DiagnosticError(self.fault(node, what, "give it all steps at once"))

    def site(self, node: Any, index: int, x: Any) -> Site:
        """The place in the network where this module reads this value."""
        key = ("site", index, x.node)
        if key not in self.seen:
            made = self.graph.create_node("call_function", node.target, (x.node, index), {}, name=node.name)
            made.meta.update({k: node.meta[k] for k in ("nn_module_stack", "stack_trace") if k in node.meta})
            made.meta["val"] = [_one_step(v, x) for v in node.meta["val"]]
            self.seen[key] = made
            parts = tuple(self.part(made, i, node) for i in range(len(node.meta["val"])))
            self.sites[made] = Site(index, made, parts)
        return self.sites[self.seen[key]]

    @property
    def steps(self) -> int:
        """How many steps the trace shows; 1 for a network that is one step."""
        return max((site.steps for site in self.sites.values()), default=0) // self.whole_calls or 1

    # -- faults -----------------------------------------------------------------------------------

    def fault(self, node: Any, message: str, help: Any, origin: str = "", code: str = "AKC0383") -> Diagnostic:
        """A refusal at the line of the user's code that made a node."""
        path = origin or self.path(node)
        plain = Diagnostic(code=code, message=message, help=help, origin=(path,) if path else ())
        return self.placed_fault(plain, node)

    def path(self, node: Any) -> str:
        """Path of the innermost module that made a node."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        return str(stack[-1][0]).split("@")[0] if stack else ""

    def placed_fault(self, said: Diagnostic, node: Any) -> Diagnostic:
        """The same fault at the user's line."""
        span: Span | None = line_of_trace(str(node.meta.get("stack_trace", "")))
        return said if span is None else evolve(said, span=span, label="here")


BEHIND = "move it into the loop, or behind a sum or mean over time"
ONE_STEP = (
    "a neuron reads what the layers in front of it give at the same step",
    "spikes that go back into an earlier layer need snn.RLeaky and --host=allow",
)


def common_time(times: set[Time]) -> Time | None:
    """The time of what is made of values of these times; None where they must be freed first."""
    rest = times - {EACH}
    if len(rest) > 1 or (FREE in rest and EACH in times):
        return None
    return next(iter(rest), EACH if times else FREE)


def _worked_out(node: Any) -> Any:
    """What a node gives, in shape and type."""
    import torch

    def meta(n: Any) -> Any:
        value = n.meta["val"]
        return torch.empty(tuple(value.shape), dtype=value.dtype, device="meta")

    arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), meta)
    keywords = {k: v for k, v in keywords.items() if k not in ("device", "pin_memory", "layout")}
    return node.target(*arguments, **keywords)


def _one_step(value: Any, x: Any) -> Any:
    """What one step of a traced result is in shape, where x is the neuron's input."""
    import torch

    if not isinstance(x, Timed):
        return value
    rest = tuple(value.shape[1:])
    return torch.empty((1, *rest) if x.kept else rest, dtype=value.dtype, device="meta")


def _same_kind(node: Any) -> bool:
    before, after = node.args[0].meta["val"], node.meta["val"]
    return tuple(before.shape) == tuple(after.shape) and before.dtype == after.dtype


class _Shaped:
    """A node whose first operand is another."""

    def __init__(self, node: Any, operand: Any) -> None:
        self.name, self.target, self.meta = node.name, node.target, node.meta
        self.args, self.kwargs = (operand, *node.args[1:]), node.kwargs
