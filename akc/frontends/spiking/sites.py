# SPDX-License-Identifier: Apache-2.0
"""Where a network calls its neurons: each place once a step, on the same layers."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from attrs import define, field

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.values import Folding, Step, short_name


@define(eq=False)
class Call:
    """One call of a neuron: the states that it is given, by name, and its node in the trace."""

    given: dict[str, Any]
    node: Any


@define(eq=False)
class Site:
    """A place where a neuron is called at each step: its index, its folded node and the parts of that, its calls."""

    index: int
    node: Any
    parts: tuple[Any, ...]
    calls: list[Call] = field(factory=list)
    at_once: int = 0
    """Number of steps where one call takes all of them."""

    @property
    def steps(self) -> int:
        """How many steps it runs."""
        return self.at_once or len(self.calls)


def check_sites(f: Folding) -> None:
    """Every neuron must run at every step, on the same layers."""
    by_index: dict[int, list[Site]] = {}
    for site in f.sites.values():
        by_index.setdefault(site.index, []).append(site)
    faults = [difference(f, sites) for sites in by_index.values() if _share_states(sites)]
    counts = {site.steps for site in f.sites.values()}
    if len(counts) > 1 and not faults:
        uneven = sorted({f.neurons[s.index].path for s in f.sites.values() if s.steps != max(counts)})
        message = f"{', '.join(uneven)} run at some steps only"
        faults.append(Diagnostic(code="AKC0383", message=message, origin=tuple(uneven)))
    if faults:
        raise DiagnosticError(faults)


def difference(f: Folding, sites: list[Site]) -> Diagnostic:
    """Why a neuron reads something else at another step: its own past, or another layer."""
    live = f.neurons[sites[0].index]
    read = [site.node.args[0] for site in sites]
    norms = [x for x in (_unpacked(x) for x in read) if "batch_norm" in short_name(x)]
    if norms:
        stack = list(norms[0].meta.get("nn_module_stack", {}).values())
        owner = stack[-1][0].rpartition(".")[0] if stack else ""
        return REFUSALS["per-step-norm"].diagnostic(owner or live.path, "one BatchNorm a step, as in BNTT")
    most = sum(site.steps for site in sites)
    what = f"'{live.path}' ({type(live.module).__name__}) does not get the same layers at every step"
    how_many = f" ({len(sites)} different inputs in {most} steps)"
    help = OWN_TIME if all(_is_taken_apart(x) for x in read) else SAME_LAYERS
    return f.fault(sites[-1].calls[-1].node, what + how_many, help, live.path)


def _is_taken_apart(made: Any) -> bool:
    """Whether a value is made of a part of the input that a view cut out of it."""
    waiting, seen = [made], set[Any]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if short_name(node) in ("select", "slice"):
            return True
        waiting += node.all_input_nodes
    return False


OWN_TIME = (
    "give forward an input that has its time axis already, such as [batch, T, features], and reshape it outside",
)
SAME_LAYERS = (
    "spikes that go back into an earlier layer need snn.RLeaky and --host=allow",
    "layers with other weights at other steps (BNTT) cannot run: the chip has one program",
)


def _share_states(sites: Sequence[Site]) -> bool:
    """Whether one place of a module goes on from the states of another, as where each step has its own layers."""
    if len(sites) < 2:
        return False
    parts = {part: site for site in sites for part in site.parts}
    given = [
        (site, v.node) for site in sites for call in site.calls for v in call.given.values() if isinstance(v, Step)
    ]
    return any(parts.get(node, site) is not site for site, node in given)


def _unpacked(node: Any) -> Any:
    """The node that gives several results, for one that takes a part."""
    return node.args[0] if node.target is operator.getitem else node
