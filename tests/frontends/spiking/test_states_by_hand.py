# SPDX-License-Identifier: Apache-2.0
"""What the user's code does to a neuron's state between the steps is read exactly, or refused at its line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import numpy as np
import pytest
import snntorch as snn
import torch
from snntorch import utils
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.ops.snn import Leaky, Neuron
from akc.sim.run import run
from tests.frontends.spiking.by_hand import STEPS, ByHand, X, imported, same
from tests.frontends.spiking.networks import on_grid

FREE = lambda: snn.Leaky(beta=0.75, reset_mechanism="none")  # noqa: E731
PER_NEURON = torch.linspace(0.25, 1.5, 16)

READ_EXACTLY: dict[str, dict[str, Any]] = {
    "hard reset": {"touch": lambda k, m: m * (1 - k)},
    "hard reset in another order": {"touch": lambda k, m: m - m * k},
    "hard reset without the framework's": {"touch": lambda k, m: (1.0 - k) * m, "lif": FREE},
    "hard reset by masking": {"touch": lambda k, m: m.masked_fill(k.bool(), 0.0), "lif": FREE},
    "hard reset by where": {"touch": lambda k, m: torch.where(k > 0, torch.zeros_like(m), m), "lif": FREE},
    "reset to a level": {"touch": lambda k, m: torch.where(k > 0.5, torch.full_like(m, -0.25), m)},
    "soft reset": {"touch": lambda k, m: m - k * 1.0, "lif": FREE},
    "soft reset beside the framework's": {"touch": lambda k, m: m - 0.5 * k},
    "soft reset of each neuron": {"touch": lambda k, m: m - k * PER_NEURON, "lif": FREE},
    "scaled": {"touch": lambda k, m: 0.5 * m},
    "divided": {"touch": lambda k, m: m / 2},
    "scaled and reset": {"touch": lambda k, m: 0.5 * m * (1 - k) + 0.125},
    "moved": {"touch": lambda k, m: m + 0.25},
    "clamped": {"touch": lambda k, m: m.clamp(-0.25, 0.75)},
    "clamped below": {"touch": lambda k, m: torch.relu(m)},
    "clamped above": {"touch": lambda k, m: torch.clamp(m, max=0.5)},
    "scaled, then clamped": {"touch": lambda k, m: (m * 0.5).clamp(min=-0.125)},
    "cloned and detached": {"touch": lambda k, m: m.clone().detach()},
    "fresh": {"touch": lambda k, m: torch.zeros_like(m)},
    "fresh at a level": {"touch": lambda k, m: torch.full_like(m, 0.25)},
    "starts at a half": {"start": lambda x: torch.full((x.size(0), 16), 0.5)},
    "starts above the threshold": {"start": lambda x: torch.full((x.size(0), 16), 1.5)},
    "starts apart": {"start": lambda x: PER_NEURON.repeat(x.size(0), 1)},
    "starts, reset at once": {
        "start": lambda x: torch.ones(x.size(0), 16),
        "lif": lambda: snn.Leaky(beta=0.75, reset_delay=False, reset_mechanism="zero"),
    },
    "starts, and hard reset": {
        "start": lambda x: torch.full((x.size(0), 16), 0.5),
        "touch": lambda k, m: m * (1 - k),
    },
    "state of lapicque": {"touch": lambda k, m: 0.5 * m, "lif": lambda: snn.Lapicque(beta=0.75)},
    "graded spikes": {
        "touch": lambda k, m: m - 0.25 * k,
        "lif": lambda: snn.Leaky(beta=0.75, graded_spikes_factor=2.0),
    },
}


def _written(k: Any, m: Any) -> Any:
    m[k > 0] = -0.25
    return m


def _by_place(k: Any, m: Any) -> Any:
    m[torch.zeros(1, 16, dtype=torch.int64)] = 0.0
    return m


READ_EXACTLY |= {
    "written where it fired": {"touch": _written},
    "inverted truth": {"touch": lambda k, m: m * (~(k > 0)).float(), "lif": FREE},
    "a power of the spike": {"touch": lambda k, m: m * 0.5**k},
    "clipped": {"touch": lambda k, m: torch.clip(m, -0.25, 0.75)},
    "clamped as hardtanh": {"touch": lambda k, m: nn.functional.hardtanh(m, -0.25, 0.75)},
    "clamped as relu6": {"touch": lambda k, m: nn.functional.relu6(m)},
    "moved to a level": {"touch": lambda k, m: torch.lerp(m, torch.full_like(m, 0.5), 0.25)},
}


@pytest.mark.parametrize("kind", READ_EXACTLY)
def test_read_exactly(kind: str) -> None:
    same(ByHand(**READ_EXACTLY[kind]))


def test_a_text_with_touched_neurons_is_read_back() -> None:
    module = imported(ByHand(**READ_EXACTLY["scaled and reset"], start=lambda x: PER_NEURON.repeat(1, 1)))
    assert akc.print_module(akc.parse(akc.print_module(module))) == akc.print_module(module)


def test_a_hard_reset_by_hand_is_the_neurons_own() -> None:
    module = imported(ByHand(**READ_EXACTLY["hard reset"]))
    first = next(op for op in module.net.ops if isinstance(op, Leaky))
    assert (first.reset, first.touched) == ("zero", ())


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "inhibition": (lambda k, m: m - 0.125 * k.sum(1, keepdim=True), "no equation of the language"),
    "square": (lambda k, m: m * m, "no equation of the language"),
    "own weights": (lambda k, m: m @ torch.eye(16).roll(1, 0), "no equation of the language"),
    "neighbour": (lambda k, m: m.roll(1, 1), "no equation of the language"),
    "inverted bits": (lambda k, m: m * ~k.int(), "no equation of the language"),
    "written at places": (_by_place, "no equation of the language"),
    "clamped, then scaled": (lambda k, m: m.clamp(0, 1) * 0.5, "no equation of the language"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_at_its_line(kind: str) -> None:
    touch, why = REFUSED[kind]
    with pytest.raises(DiagnosticError, match=why) as caught:
        imported(ByHand(touch=touch))
    (fault,) = caught.value.diagnostics
    assert fault.code == "AKC0316"
    assert fault.span is not None and fault.span.source.name.endswith((".py",))


class Swapped(nn.Module):
    """States that go to the wrong neuron or slot, or come from another time; `how` says which."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.fc2 = nn.Linear(20, 8), nn.Linear(8, 8)
        kind = snn.Synaptic if how == "slots" else snn.Leaky
        names = {"alpha": 0.5, "beta": 0.75} if how == "slots" else {"beta": 0.75}
        self.l1, self.l2 = kind(**names), kind(**names)
        self.how = how
        on_grid(self, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total: Any = 0
        m1, m2 = self.l1.reset_mem(), self.l2.reset_mem()
        older = torch.zeros(x.size(0), 8)
        for t in range(STEPS):
            if self.how == "slots":
                k, *m1 = self.l1(self.fc1(x), m1[1], m1[0])
                k, *m2 = self.l2(self.fc2(k), *m2)
            elif self.how == "other neuron":
                k, m2 = self.l1(self.fc1(x), m1)
                k, m1 = self.l2(self.fc2(k), m2)
            elif self.how == "two steps ago":
                k, new = self.l1(self.fc1(x), older)
                older, m1 = (m1 if t else older), new
                k, m2 = self.l2(self.fc2(k), m2)
            else:
                k, m1 = self.l1(self.fc1(x), m1)
                m1 = m1 * 0.5 if t % 2 else m1
                k, m2 = self.l2(self.fc2(k), m2)
            total = total + k
        return total


@pytest.mark.parametrize("how", ["slots", "other neuron", "two steps ago", "every other step"])
def test_states_from_elsewhere_are_refused(how: str) -> None:
    with pytest.raises(DiagnosticError, match="AKC0316"):
        imported(Swapped(how))


class Kept(nn.Module):
    """Neurons that keep their state, which the user's code changes through the attribute."""

    def __init__(self, touch: Callable[[Any], Any], loop: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.lif = nn.Linear(20, 8), snn.Leaky(beta=0.75, init_hidden=True)
        on_grid(self, 4.0)
        self.touch, self.loop = touch, loop

    def step(self, x: torch.Tensor) -> torch.Tensor:
        spikes: torch.Tensor = self.lif(self.fc(x))
        self.lif.mem = self.touch(self.lif.mem)
        return spikes

    def forward(self, x: torch.Tensor) -> Any:
        if not self.loop:
            return self.step(x)
        self.lif.reset_mem()
        return sum(self.step(x) for _ in range(STEPS))


@pytest.mark.parametrize("touch", [lambda m: m, lambda m: m * 0.5, lambda m: m.clamp(max=0.5)])
@pytest.mark.parametrize("loop", [True, False])
def test_a_state_that_the_module_keeps(touch: Callable[[Any], Any], loop: bool) -> None:
    network = Kept(touch, loop).eval()
    if loop:
        same(network)
        return
    module = imported(network, steps=STEPS, readout="count")
    network.lif.reset_mem()
    with torch.no_grad():
        wanted = sum(network(X) for _ in range(STEPS))
    np.testing.assert_array_equal(next(iter(run(module, X.numpy()).values())), wanted.numpy())


def test_norse_states_that_are_forgotten_are_refused() -> None:
    class Forgets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(20, 8), norse.LIFCell()

        def forward(self, x: torch.Tensor) -> Any:
            return sum(self.lif(self.fc(x))[0] for _ in range(STEPS))

    with pytest.raises(DiagnosticError, match=r"AKC0316.*fresh at every step"):
        imported(Forgets())


def test_a_buffer_of_the_users_own_is_refused() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(20, 8), snn.Leaky(beta=0.75)
            self.register_buffer("trace", torch.zeros(1, 8))

        def forward(self, x: torch.Tensor) -> Any:
            mem, total = self.lif.reset_mem(), 0
            for _ in range(STEPS):
                k, mem = self.lif(self.fc(x), mem)
                self.trace = 0.5 * self.trace + k
                total = total + k
            return total

    with pytest.raises(DiagnosticError, match=r"AKC0315.*trace"):
        imported(Counts())


def _spikes_of_the_step_before(n: Any, x: torch.Tensor) -> Any:
    m1, m2, k, total = n.l1.reset_mem(), n.l2.reset_mem(), torch.zeros(x.size(0), 16), 0
    for _ in range(STEPS):
        out, m2 = n.l2(n.fc2(k), m2)
        k, m1 = n.l1(n.fc1(x), m1)
        total = total + out
    return total


def _input_of_the_first_step(n: Any, x: torch.Tensor) -> Any:
    m1, m2, total = n.l1.reset_mem(), n.l2.reset_mem(), 0
    for t in range(STEPS):
        k, m1 = n.l1(n.fc1(torch.zeros_like(x) if t else x), m1)
        k, m2 = n.l2(n.fc2(k), m2)
        total = total + k
    return total


@pytest.mark.parametrize("forward", [_spikes_of_the_step_before, _input_of_the_first_step])
def test_a_neuron_that_gets_numbers_for_its_layers_is_refused(forward: Callable[..., Any]) -> None:
    network = ByHand()
    network.forward = lambda x: forward(network, x)  # type: ignore[method-assign]
    with pytest.raises(DiagnosticError, match=r"AKC0383.*gets numbers that do not depend on the input"):
        imported(network)


def test_tracing_leaves_nothing_behind() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            cells = [snn.Leaky(beta=0.5, init_hidden=True) for _ in range(2)]
            self.net = nn.Sequential(nn.Linear(20, 16), cells[0], nn.Linear(16, 4), cells[1])
            on_grid(self, 4.0)

        def forward(self, x: torch.Tensor) -> Any:
            utils.reset(self.net)
            return sum(self.net(x) for _ in range(STEPS))

    first, second = Net(), Net()
    with torch.no_grad():
        before = first.eval()(X).numpy()
    kept = first.net[1].mem.clone()
    second.net[1].train(False)
    for _ in range(2):
        imported(second)
    assert torch.equal(first.net[1].mem, kept)
    assert all(type(m.mem) is torch.Tensor for m in (first.net[1], second.net[1]))
    assert type(first.net[1]) is type(second.net[1]) is snn.Leaky and "forward" not in vars(second)
    same(first)
    np.testing.assert_array_equal(first(X).detach().numpy(), before)


def test_what_is_touched_is_no_step_of_its_own_and_goes_by_rate() -> None:
    module = imported(ByHand(**READ_EXACTLY["soft reset beside the framework's"]))
    assert [op.touched for op in module.net.ops if isinstance(op, Neuron)] == [("take",), ()]
    lowered = akc.lower(ByHand(**READ_EXACTLY["hard reset"]).eval(), example=(1, 20), input_range=(0.0, 1.0), least=0.0)
    akc.build(lowered)


def test_membranes_that_no_code_can_set() -> None:
    text = akc.print_module(imported(ByHand())).replace(
        "snn.leaky(%fc1,", "snn.state_leaky(%fc1, start=0.5, tau=3.0) //"
    )
    lines = [line.split("//")[0] + ': f32[T=7, 16] from "l1"' if "//" in line else line for line in text.splitlines()]
    with pytest.raises(DiagnosticError, match="no membrane that code around it can set"):
        akc.parse("\n".join(lines))


def test_a_state_that_nothing_gives_is_refused_where_it_is_read() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(20, 8), snn.Synaptic(alpha=0.5, beta=0.75)

        def forward(self, x: torch.Tensor) -> Any:
            states, total = self.lif.reset_mem(), 0
            for _ in range(STEPS):
                k, *states = self.lif(self.fc(x), *states)
                total = total + k * states[0]
            return total

    with pytest.raises(DiagnosticError, match=r"AKC0317.*syn of 'lif'"):
        imported(Reads())
