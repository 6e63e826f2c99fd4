# SPDX-License-Identifier: Apache-2.0
"""How people read a spiking network, and how many results they return: each as the code has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from akc.base.diagnostics import DiagnosticError
from akc.ir.ops import host
from akc.sim.run import run
from tests.frontends.spiking.by_hand import STEPS, ByHand, X, imported, same
from tests.frontends.spiking.networks import inputs, on_grid


def accumulated(values: list[Any], total: Any) -> Any:
    for v in values:
        total = v if total is None else total + v
    return total


def in_place(values: list[Any], total: Any) -> Any:
    for v in values:
        total += v
    return total


def decaying(values: list[Any]) -> Any:
    total = torch.zeros_like(values[0])
    for v in values:
        total = 0.5 * total + v
    return total


def written(values: list[Any], dim: int = 0) -> Any:
    shape = list(values[0].shape)
    shape.insert(dim, len(values))
    kept = torch.zeros(shape)
    for t, v in enumerate(values):
        kept[(slice(None),) * dim + (t,)] = v
    return kept


def running_maximum(values: list[Any], best: Any) -> Any:
    for v in values:
        best = v if best is None else torch.maximum(best, v)
    return best


READ: dict[str, Callable[[Any, Any, Any], Any]] = {
    "from 0": lambda h, s, m: accumulated(s, 0),
    "from None": lambda h, s, m: accumulated(s, None),
    "from zeros": lambda h, s, m: accumulated(s, torch.zeros(1, 4)),
    "from zeros of a batch": lambda h, s, m: accumulated(s, s[0].new_zeros(s[0].shape)),
    "from 0.0 in place": lambda h, s, m: in_place(s, 0.0),
    "sum of a list": lambda h, s, m: sum(s),
    "in place": lambda h, s, m: in_place(s, torch.zeros_like(s[0])),
    "without the first steps": lambda h, s, m: sum(s[3:]),
    "last minus first": lambda h, s, m: m[-1] - m[0],
    "weighted": lambda h, s, m: sum(v * float(t) for t, v in enumerate(s)),
    "decaying": lambda h, s, m: decaying(s),
    "stacked": lambda h, s, m: torch.stack(s).sum(dim=0),
    "stacked behind": lambda h, s, m: torch.stack(s, dim=-1).sum(-1),
    "stacked second": lambda h, s, m: torch.stack(m, 1).mean(1),
    "put side by side": lambda h, s, m: torch.cat([v.unsqueeze(0) for v in s]).sum(0),
    "transposed": lambda h, s, m: torch.stack(s).permute(1, 2, 0).sum(2),
    "kept dimension": lambda h, s, m: torch.stack(s).sum(0, keepdim=True).squeeze(0),
    "written": lambda h, s, m: written(s).sum(0),
    "written second": lambda h, s, m: written(m, 1).mean(1),
    "written, the last": lambda h, s, m: written(m)[-1],
    "mean": lambda h, s, m: torch.stack(m).mean(0),
    "rate": lambda h, s, m: accumulated(s, 0) / STEPS,
    "rate times": lambda h, s, m: sum(s) * (1.0 / STEPS),
    "largest": lambda h, s, m: torch.stack(m).max(0)[0],
    "largest of amax": lambda h, s, m: torch.stack(m).amax(0),
    "running maximum": lambda h, s, m: running_maximum(m, None),
    "running maximum from zeros": lambda h, s, m: running_maximum(m, torch.zeros_like(m[0])),
    "running maximum of infinity": lambda h, s, m: running_maximum(m, torch.full_like(m[0], float("-inf"))),
    "last": lambda h, s, m: m[-1],
    "last of a stack": lambda h, s, m: torch.stack(m)[-1],
    "a step in the middle": lambda h, s, m: torch.stack(m)[3],
    "the last steps": lambda h, s, m: torch.stack(m)[-3:].mean(0),
    "softmax": lambda h, s, m: torch.softmax(accumulated(m, 0), -1),
    "log-softmax": lambda h, s, m: torch.log_softmax(torch.stack(s).mean(0), dim=1),
    "softmax at each step": lambda h, s, m: sum(torch.softmax(v, 1) for v in m),
    "softmax over all steps at once": lambda h, s, m: torch.softmax(torch.stack(m), 2).sum(0),
    "squared at each step": lambda h, s, m: torch.stack(m).relu().sum(0),
    "spikes and membranes": lambda h, s, m: sum(s) + 0.5 * sum(m),
}


@pytest.mark.parametrize("kind", READ)
def test_read_outs(kind: str) -> None:
    same(ByHand(READ[kind]))


POPULATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "summed": lambda h, s, m: torch.stack(s).sum(0).view(-1, 4, 3).sum(-1),
    "averaged": lambda h, s, m: torch.stack(s).sum(0).reshape(-1, 4, 3).mean(2),
    "averaged at each step": lambda h, s, m: sum(v.view(-1, 4, 3).mean(-1) for v in s),
    "summed over all steps": lambda h, s, m: torch.stack(s).view(STEPS, -1, 4, 3).sum(-1).sum(0),
    "interleaved": lambda h, s, m: sum(s).view(-1, 3, 4).sum(1),
}


@pytest.mark.parametrize("kind", POPULATIONS)
def test_populations(kind: str) -> None:
    same(ByHand(POPULATIONS[kind], outputs=12))


SEVERAL: dict[str, Callable[[Any, Any, Any], Any]] = {
    "two": lambda h, s, m: (sum(s), torch.stack(m).mean(0)),
    "a hidden layer second": lambda h, s, m: (torch.stack(s).sum(0), torch.stack(h).sum(0)),
    "a hidden layer first": lambda h, s, m: [sum(h), sum(s)],
    "nested": lambda h, s, m: (sum(s), (sum(m), [m[-1]])),
    "last step": lambda h, s, m: (s[-1], m[-1]),
    "counts, and all membranes": lambda h, s, m: (sum(s), torch.stack(m).transpose(0, 1)),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_results_come_in_order(kind: str) -> None:
    same(ByHand(SEVERAL[kind]))


def test_results_of_a_dict_keep_their_names() -> None:
    module = same(ByHand(lambda h, s, m: {"spikes": sum(s), "potential": torch.stack(m).mean(0)}))
    assert module.net.outputs == ("spikes", "potential")


def test_read_out_chooses_among_results() -> None:
    both = ByHand(lambda h, s, m: (sum(s), torch.stack(m).mean(0)))
    assert isinstance(list(imported(both, readout="count").net.ops)[-1], host.Sum)
    assert isinstance(list(imported(both, readout="membrane").net.ops)[-1], host.Mean)
    with pytest.raises(DiagnosticError, match=r"AKC0318.*--readout max contradicts.*count; membrane"):
        imported(both, readout="max")


@pytest.mark.parametrize(
    ("read", "wanted", "said"),
    [
        (lambda h, s, m: sum(s), "last", "count"),
        (lambda h, s, m: torch.stack(m).mean(0), "count", "membrane"),
        (lambda h, s, m: torch.stack(s).mean(0), "count", "the mean of spikes"),
        (lambda h, s, m: torch.softmax(m[-1], 1), "none", "last"),
    ],
)
def test_a_read_out_that_contradicts_is_an_error(read: Any, wanted: str, said: str) -> None:
    network = ByHand(read)
    with pytest.raises(DiagnosticError, match=f"AKC0318.*: {said}") as caught:
        imported(network, readout=wanted)
    assert "leave --readout out" in caught.value.diagnostics[0].help[0]
    same(network)


def test_a_read_out_that_agrees_is_no_fault() -> None:
    same(ByHand(lambda h, s, m: sum(s)), readout="count")


def test_all_steps_keep_their_time_axis() -> None:
    module = imported(ByHand(lambda h, s, m: torch.stack(m)), readout="none")
    assert module.net.output_types[0].steps == STEPS
    got = next(iter(run(module, X.numpy()).values()))
    network = ByHand(lambda h, s, m: torch.stack(m, 1))
    np.testing.assert_array_equal(got, network(X).detach().numpy())


class Inputs(nn.Module):
    """A layer of neurons whose currents are made from the input by `steps`."""

    def __init__(self, steps: Callable[[Any, Any], Any], first: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.l1, self.l2 = nn.Linear(20, 8), snn.Leaky(beta=0.75), snn.Leaky(beta=0.5)
        on_grid(self, 4.0)
        self.steps, self.first = steps, first

    def forward(self, x: torch.Tensor) -> Any:
        total, m1, m2 = 0, self.l1.reset_mem(), self.l2.reset_mem()
        for current in self.steps(self, x):
            if self.first:
                current, m2 = self.l2(current, m2)
            k, m1 = self.l1(self.fc(current), m1)
            total = total + k
        return total


DIRECT: dict[str, Callable[[Any, Any], Any]] = {
    "itself": lambda f, x: [x] * STEPS,
    "repeated": lambda f, x: x.unsqueeze(0).repeat(STEPS, 1, 1),
    "repeated in place of an axis": lambda f, x: x.repeat(STEPS, 1, 1),
    "expanded": lambda f, x: x.expand(STEPS, *x.shape),
    "expanded second": lambda f, x: x.unsqueeze(1).expand(-1, STEPS, -1).unbind(1),
    "stacked": lambda f, x: torch.stack([x] * STEPS),
    "indexed": lambda f, x: (x.unsqueeze(1).repeat(1, STEPS, 1)[:, t] for t in range(STEPS)),
}
TIMED: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    "time first": (lambda f, x: (x[t] for t in range(STEPS)), 0),
    "time second": (lambda f, x: (x[:, t] for t in range(STEPS)), 1),
    "time second, all of it": (lambda f, x: (x[:, t, :] for t in range(x.size(1))), 1),
    "time last": (lambda f, x: (x[..., t] for t in range(STEPS)), 2),
    "iterated": (lambda f, x: iter(x), 0),
    "transposed": (lambda f, x: iter(x.transpose(0, 1)), 1),
    "permuted": (lambda f, x: x.permute(2, 0, 1).unbind(0), 2),
    "scaled before": (lambda f, x: iter(x * 0.5), 0),
}


@pytest.mark.parametrize("first", [False, True], ids=["", "a neuron on the input"])
@pytest.mark.parametrize("kind", DIRECT)
def test_inputs_that_stay(kind: str, first: bool) -> None:
    same(Inputs(DIRECT[kind], first))


@pytest.mark.parametrize("first", [False, True], ids=["", "a neuron on the input"])
@pytest.mark.parametrize("kind", TIMED)
def test_inputs_with_time(kind: str, first: bool) -> None:
    steps, axis = TIMED[kind]
    x = inputs(STEPS, 5, 20, gain=2.0)
    given = x.movedim(0, axis)
    example = list(given.shape)
    example[{0: 1, 1: 0, 2: 0}[axis]] = 1
    same(Inputs(steps, first), given, axis, example=tuple(example))


def test_a_step_of_the_input_too_early_is_refused() -> None:
    network = Inputs(lambda f, x: (x[:, (t + 1) % STEPS] for t in range(STEPS)))
    with pytest.raises(DiagnosticError, match=r"AKC0383.*reads step 1 when it runs for step 0"):
        imported(network, example=(1, STEPS, 20))


@pytest.mark.parametrize("kind", ["rand_like", "bernoulli", "spikegen.rate", "spikegen.latency"])
def test_encoders_are_named_with_their_way_out(kind: str) -> None:
    from snntorch import spikegen

    ways = {
        "rand_like": lambda f, x: ((torch.rand_like(x) < x).float() for _ in range(STEPS)),
        "bernoulli": lambda f, x: (torch.bernoulli(x) for _ in range(STEPS)),
        "spikegen.rate": lambda f, x: spikegen.rate(x, num_steps=STEPS),
        "spikegen.latency": lambda f, x: spikegen.latency(x, num_steps=STEPS, normalize=True, linear=True),
    }
    with pytest.raises(DiagnosticError, match="AKC0393") as caught:
        imported(Inputs(ways[kind]))
    fault = caught.value.diagnostics[0]
    assert kind in fault.message and fault.span is not None
    assert "feed x itself" in fault.help[0] and "x[t] at step t" in fault.help[1]
    same(Inputs(DIRECT["itself"]))
    same(Inputs(TIMED["time first"][0]), inputs(STEPS, 3, 20), 0, example=(STEPS, 1, 20))


def test_the_step_of_a_maximum_is_refused_at_its_line() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0383.*reads the step of a maximum") as caught:
        imported(ByHand(lambda h, s, m: torch.stack(m).max(0)))
    assert caught.value.diagnostics[0].span is not None
    same(ByHand(lambda h, s, m: torch.stack(m).max(0).values))  # what its help says


def test_a_result_that_is_returned_twice_is_refused() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0396.*result 2 of forward is one of its other results"):
        imported(ByHand(lambda h, s, m: (sum(s), sum(s))))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 4)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.fc(x).relu()
        return y, y


def test_a_result_of_an_ordinary_network_that_is_returned_twice_is_refused() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0396"):
        imported(Twice())
