# SPDX-License-Identifier: Apache-2.0
"""Random snnTorch modules, written the many ways people write them: each imports equal or is refused.

python -m tests.fuzz.spiking_modules 5000 log.jsonl      # goes on where the log ends; prints what was refused, and why
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import snntorch as snn
import torch
from torch import nn

import akc
from akc.compiler.pipeline import Context
from tests.fuzz.logged import run

STEPS = 7


def _list(values: list[Any]) -> Any:
    return sum(values)


def _from_none(values: list[Any]) -> Any:
    total: Any = None
    for v in values:
        total = v if total is None else total + v
    return total


def _from_zeros(values: list[Any]) -> Any:
    total = torch.zeros_like(values[0])
    for v in values:
        total = total + v
    return total


def _in_place(values: list[Any]) -> Any:
    total = torch.zeros(values[0].shape)
    for v in values:
        total += v
    return total


def _preallocated(values: list[Any]) -> Any:
    kept = torch.zeros(len(values), *values[0].shape)
    for t, v in enumerate(values):
        kept[t] = v
    return kept.sum(0)


SUMS: tuple[Callable[[list[Any]], Any], ...] = (
    _list,
    _from_none,
    _from_zeros,
    _in_place,
    _preallocated,
    lambda values: torch.stack(values).sum(0),
    lambda values: torch.stack(values, dim=1).sum(dim=1),
    lambda values: torch.stack(values).mean(dim=0),
    lambda values: torch.stack(values).sum(0) / len(values),
    lambda values: torch.stack(values).max(0)[0],
    lambda values: values[-1],
    lambda values: torch.stack(values)[-1],
)

TOUCHES: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda spikes, membrane: membrane,
    "hard reset": lambda spikes, membrane: membrane * (1 - spikes),
    "soft reset": lambda spikes, membrane: membrane - 0.5 * spikes,
    "scaling": lambda spikes, membrane: membrane * 0.75,
    "clamping": lambda spikes, membrane: membrane.clamp(min=0.0),
    "inhibition": lambda spikes, membrane: membrane - 0.1 * spikes.sum(1, keepdim=True),
    "fresh": lambda spikes, membrane: torch.zeros_like(membrane),
    "detached": lambda spikes, membrane: membrane.detach(),
}

INPUTS: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda x, t: x,
    "time first": lambda x, t: x[t],
    "batch first": lambda x, t: x[:, t],
}

NEURONS: tuple[Callable[[Random], Any], ...] = (
    lambda r: snn.Leaky(beta=r.choice([0.5, 0.8, 0.95]), reset_mechanism=r.choice(["subtract", "zero", "none"])),
    lambda r: snn.Leaky(beta=r.random(), threshold=r.choice([0.5, 1.0, 1.5]), reset_delay=r.random() < 0.7),
    lambda r: snn.Leaky(beta=torch.rand(r.hidden), learn_beta=True),  # type: ignore[attr-defined]
    lambda r: snn.Lapicque(beta=r.choice([0.5, 0.9])),
    lambda r: snn.Synaptic(alpha=r.random(), beta=r.random()),
)


class Written(nn.Module):
    """A loop over steps that `seed` writes."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        r = Random(seed)
        torch.manual_seed(seed)
        self.width, r.hidden = r.choice([6, 10]), r.choice([5, 8])  # type: ignore[attr-defined]
        hidden: int = r.hidden  # type: ignore[attr-defined]
        first = nn.Linear(self.width, hidden)
        self.front = r.choice([first, nn.Sequential(first), nn.Sequential(nn.Sequential(first, nn.Dropout(0.5)))])
        self.middle = nn.Linear(hidden, hidden)
        self.shared, self.deep = r.random() < 0.2, r.random() < 0.7
        with torch.no_grad():
            for layer in (first, self.middle):
                layer.weight *= r.choice([2.0, 4.0])
        self.first, self.second = r.choice(NEURONS)(r), r.choice(NEURONS)(r)
        self.way, self.touch = r.choice(list(INPUTS)), r.choice([*TOUCHES, *["nothing"] * 8])
        self.start = r.choice([None, None, None, 0.0, 0.5])
        self.sum, self.gives = r.choice(SUMS), r.choice(["spikes"] * 4 + ["membranes", "two", "dict", "hidden too"])

    def forward(self, x: torch.Tensor) -> Any:
        one, two = list(_states(self.first)), list(_states(self.second))
        if self.start is not None and len(one) == 1:
            one = [torch.full((1, self.middle.in_features), self.start)]
        hidden, spikes, membranes = [], [], []
        for t in range(STEPS):
            k, *one = self.first(self.front(INPUTS[self.way](x, t)), *one)
            one = [*one[:-1], TOUCHES[self.touch](k, one[-1])]
            hidden.append(k)
            if self.deep:
                current = self.middle(self.middle(k) if self.shared else k)
                k, *two = self.second(current, *two)
            spikes.append(k)
            membranes.append((two if self.deep else one)[-1])
        read = self.sum
        if self.gives == "two":
            return read(spikes), torch.stack(membranes).mean(0)
        if self.gives == "dict":
            return {"spikes": read(spikes), "last": membranes[-1]}
        if self.gives == "hidden too":
            return [read(spikes), torch.stack(hidden).sum(0)]
        return read(membranes if self.gives == "membranes" else spikes)


def _states(neuron: Any) -> Any:
    made = neuron.reset_mem()
    return made if isinstance(made, tuple) else (made,)


def example(network: Written) -> tuple[int, ...]:
    """Shape of one input."""
    shapes = {
        "constant": (1, network.width),
        "time first": (STEPS, 1, network.width),
        "batch first": (1, STEPS, network.width),
    }
    return shapes[network.way]


def verdict(seed: int) -> str:
    """ "equal", or the code of the refusal; raises AssertionError where the import gives other answers."""
    network = Written(seed).eval()
    context = Context()
    try:
        akc.lower(network, example=example(network), pipeline="", host="allow", context=context)
    except akc.DiagnosticError as refusal:
        code: str = refusal.diagnostics[0].code
        assert code not in ("AKC0720", "AKC0722"), f"seed {seed}: {refusal}"
        return f"{code} {refusal.diagnostics[0].message.partition(' in a way')[0].split(chr(39))[-1].strip()}"
    assert "import = Written" in context.checks.line(), f"seed {seed}: {context.checks.line()}"
    return "equal"


if __name__ == "__main__":
    run(verdict)
