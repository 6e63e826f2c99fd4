# SPDX-License-Identifier: Apache-2.0
"""Live snnTorch networks: the imported module gives the framework's own numbers, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from snntorch import utils
from snntorch.functional import quant
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.reader import SpikingOptions
from akc.frontends.spiking.snntorch import ROWS, read_snntorch
from akc.ir.ops import host
from akc.ir.ops import snn as ops
from tests.frontends.spiking.networks import Loop, answer, inputs, on_grid

BETA = torch.linspace(0.1, 0.95, 16)

PAIRS = {
    "leaky": lambda: (snn.Leaky(beta=0.9), snn.Leaky(beta=torch.tensor([0.2, 0.5, 0.7, 1.0]))),
    "leaky_zero": lambda: (snn.Leaky(beta=0.9, reset_mechanism="zero"), snn.Leaky(beta=0.5, reset_mechanism="none")),
    "no_delay": lambda: (
        snn.Leaky(beta=BETA, reset_delay=False, learn_beta=True),
        snn.Leaky(beta=0.5, reset_delay=False),
    ),
    "lapicque": lambda: (snn.Lapicque(R=5, C=2, time_step=1, threshold=0.3), snn.Lapicque(beta=0.5)),
    "synaptic": lambda: (snn.Synaptic(alpha=0.8, beta=0.7), snn.Synaptic(alpha=BETA[:4], beta=0.7)),
    "graded": lambda: (snn.Leaky(beta=0.9, graded_spikes_factor=2.5), snn.Leaky(beta=0.9)),
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("read", ["count", "mean", "last", "max"])
def test_loop_over_a_repeated_input(kind: str, read: str) -> None:
    torch.manual_seed(1)
    network = on_grid(Loop(*PAIRS[kind](), read=read), 3.0).eval()
    module = read_snntorch(network, (1, 20))
    x = inputs(6, 20)
    expected = network(x).detach().numpy()
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(answer(module, x), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("kind", PAIRS)
def test_loop_over_steps_of_the_input(kind: str) -> None:
    torch.manual_seed(2)
    network = on_grid(Loop(*PAIRS[kind](), steps=None), 3.0).eval()
    module = read_snntorch(network, (11, 1, 20), SpikingOptions(readout="count"))
    x = inputs(11, 6, 20)
    assert module.net.inputs[0].type.steps == 11
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x)[0].sum(0).detach().numpy())


class Convolutional(nn.Module):
    """init_hidden neurons, pooling, a sum that grows in the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(2, 4, 3, padding=1), snn.Leaky(beta=torch.rand(4, 1, 1), init_hidden=True)
        self.fc, self.lif2 = nn.Linear(64, 5), snn.Leaky(beta=0.5, init_hidden=True, output=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        utils.reset(self)
        total = torch.zeros(x.shape[1], 5)
        for t in range(x.size(0)):
            hidden = nn.functional.max_pool2d(self.lif1(self.conv(x[t])), 2).flatten(1)
            total = total + self.lif2(self.fc(hidden))[0]
        return total


def test_spiking_convolution() -> None:
    torch.manual_seed(3)
    network = on_grid(Convolutional(), 2.0).eval()
    module = read_snntorch(network, (6, 1, 2, 8, 8))
    x = inputs(6, 3, 2, 8, 8)
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x).detach().numpy())


def test_one_step_with_hidden_states_needs_the_number_of_steps() -> None:
    network = on_grid(nn.Sequential(nn.Linear(20, 4), snn.Leaky(beta=0.9, init_hidden=True)), 4.0)
    with pytest.raises(DiagnosticError, match="AKC0380"):
        read_snntorch(network, (1, 20), SpikingOptions(readout="count"))
    module = read_snntorch(network, (1, 20), SpikingOptions(readout="count", steps=9))
    x = inputs(5, 20)
    utils.reset(network)
    expected = sum(network(x) for _ in range(9))
    np.testing.assert_array_equal(answer(module, x), expected.detach().numpy())


class Step(nn.Module):
    """forward(x, mem) -> (spk, mem)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(20, 4), snn.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor, mem: torch.Tensor) -> Any:
        return self.lif(self.fc(x), mem)


def test_one_step_with_states_as_arguments() -> None:
    network = on_grid(Step(), 4.0)
    module = read_snntorch(network, (torch.zeros(1, 20), torch.zeros(1, 4)), SpikingOptions(readout="last", steps=5))
    x, mem = inputs(3, 20), torch.zeros(3, 4)
    for _ in range(5):
        _, mem = network(x, mem)
    np.testing.assert_array_equal(answer(module, x), mem.detach().numpy())


class Recurrent(nn.Module):
    """RLeaky in a loop."""

    def __init__(self, lif: nn.Module, layer: nn.Module, steps: int = 7) -> None:
        super().__init__()
        self.layer, self.lif, self.steps = layer, lif, steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spk, mem = self.lif.reset_mem()
        out = []
        for t in range(self.steps):
            spk, mem = self.lif(self.layer(x[t]), spk, mem)
            out.append(spk)
        return torch.stack(out).sum(0)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_rleaky_dense_and_one_to_one(reset: str) -> None:
    torch.manual_seed(4)
    for lif in (
        snn.RLeaky(0.9, linear_features=16, reset_mechanism=reset),
        snn.RLeaky(0.9, V=torch.linspace(-1, 1, 16), all_to_all=False, reset_mechanism=reset),
    ):
        network = on_grid(Recurrent(lif, nn.Linear(20, 16)), 3.0)
        module = read_snntorch(network, (7, 1, 20))
        assert any(isinstance(op, host.Previous) for op in module.net.ops)
        x = inputs(7, 3, 20)
        np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x).detach().numpy())


def test_rleaky_convolution() -> None:
    torch.manual_seed(5)
    lif = snn.RLeaky(0.9, conv2d_channels=3, kernel_size=3)
    network = on_grid(Recurrent(lif, nn.Conv2d(2, 3, 3, padding=1)), 3.0)
    module = read_snntorch(network, (7, 1, 2, 6, 6))
    x = inputs(7, 3, 2, 6, 6)
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x).detach().numpy())


@pytest.mark.parametrize("bias", [True, False])
def test_leaky_parallel(bias: bool) -> None:
    torch.manual_seed(6)
    layers = [snn.LeakyParallel(20, 16, beta=0.5, bias=bias), snn.LeakyParallel(16, 4, beta=0.25, bias=bias)]
    network = on_grid(nn.Sequential(*layers), 4.0).eval()
    module = read_snntorch(network, (9, 1, 20), SpikingOptions(readout="count"))
    x = inputs(9, 3, 20)
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x).sum(0).detach().numpy())


def test_buffer_of_the_reset_is_trusted_and_the_difference_said() -> None:
    lif = snn.Leaky(beta=0.9)
    lif.load_state_dict({**lif.state_dict(), "reset_mechanism_val": torch.tensor(1)})
    options = SpikingOptions(readout="count", steps=3)
    module = read_snntorch(nn.Sequential(nn.Linear(3, 2), lif), (1, 3), options)
    neuron = next(op for op in module.net.ops if isinstance(op, ops.Leaky))
    assert neuron.reset == "zero"
    assert options.notes[0].code == "AKC0388"
    assert "bound when it was made" in options.notes[0].message


class Own(snn.Leaky):
    """A neuron that somebody changed."""

    def forward(self, input_: torch.Tensor, mem: Any = None) -> Any:
        return super().forward(2 * input_, mem)


REFUSED = {
    "graded layer": (lambda: snn.GradedSpikes(20, 0.5), "AKC0386", "belong to samples, not neurons"),
    "change": (lambda: snn.DeltaLeaky(beta=0.9), "AKC0372", "spikes on changes"),
    "own forward": (lambda: Own(beta=0.9), "AKC0386", "Own has a forward of its own"),
    "parallel": (lambda: snn.LeakyParallel(20, 20, weight_hh_enable=True), "AKC0371", "full weight_hh"),
    "inhibition": (lambda: snn.Leaky(beta=0.9, inhibition=True), "AKC0374", "winner-take-all"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind: str) -> None:
    make, code, words = REFUSED[kind]
    network = nn.Sequential(nn.Linear(20, 20), make())
    with pytest.raises(DiagnosticError, match=words) as fault:
        read_snntorch(network, (1, 20), SpikingOptions(readout="count", steps=3))
    assert fault.value.diagnostics[0].code == code
    assert fault.value.diagnostics[0].origin == ("1",)
    assert fault.value.diagnostics[0].help


class PerStepNorm(nn.Module):
    """BNTT: another BatchNorm at each step, or copies of one."""

    def __init__(self, alike: bool = False) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(20, 4), snn.Leaky(beta=0.9)
        self.norms = snn.BatchNormTT1d(4, 3)
        for n in self.norms:
            nn.init.uniform_(n.weight)
            if alike:
                n.load_state_dict(self.norms[0].state_dict())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem = self.lif.init_leaky()
        for norm in self.norms:
            _, mem = self.lif(norm(self.fc(x)), mem)
        return mem


def test_batch_norm_of_each_step_is_refused() -> None:
    with pytest.raises(DiagnosticError, match="at each time step") as caught:
        read_snntorch(PerStepNorm(), (1, 20))
    assert caught.value.diagnostics[0].origin == ("norms",)


def test_batch_norm_that_is_alike_at_all_steps() -> None:
    torch.manual_seed(7)
    network = PerStepNorm(alike=True).eval()
    x = inputs(3, 20)
    np.testing.assert_allclose(answer(read_snntorch(network, (1, 20)), x), network(x).detach().numpy(), rtol=1e-5)


def test_one_factor_for_all_spikes_is_a_factor() -> None:
    torch.manual_seed(8)
    first, second = (snn.Leaky(beta=0.9, init_hidden=True) for _ in range(2))
    network = on_grid(nn.Sequential(nn.Linear(20, 16), first, snn.GradedSpikes(1, 1.5), nn.Linear(16, 4), second), 3.0)
    options = SpikingOptions(readout="count", steps=9)
    module = read_snntorch(network, (1, 20), options)
    x = inputs(5, 20, gain=3.0)
    first.reset_mem()
    second.reset_mem()
    expected = sum(network(x) for _ in range(9))
    np.testing.assert_array_equal(answer(module, x), expected.detach().numpy())


def test_quantised_states_are_said_to_run_as_they_are() -> None:
    lif = snn.Leaky(beta=0.5, state_quant=quant.state_quant(num_bits=8))
    options = SpikingOptions(readout="count", steps=3)
    read_snntorch(nn.Sequential(nn.Linear(3, 2), lif), (1, 3), options)
    assert [n.message for n in options.notes] == ["'1' quantises its state (state_quant); akc runs it unquantised"]


class OwnFeedback(nn.Module):
    """Spikes fed back by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.back, self.lif = nn.Linear(20, 4), nn.Linear(4, 4), snn.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, spk = self.lif.init_leaky(), torch.zeros(1, 4)
        for _ in range(3):
            spk, mem = self.lif(self.fc(x) + self.back(spk), mem)
        return mem


def test_feedback_by_hand_is_refused() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0383.*does not get the same layers at every step"):
        read_snntorch(OwnFeedback(), (1, 20))


def test_read_out_must_be_known() -> None:
    with pytest.raises(DiagnosticError, match="AKC0379"):
        read_snntorch(Loop(snn.Leaky(beta=0.9), snn.Leaky(beta=0.9)), (1, 20))


def test_forward_is_restored() -> None:
    network = Loop(snn.Leaky(beta=0.9), snn.Leaky(beta=0.9))
    read_snntorch(network, (1, 20), SpikingOptions(readout="count"))
    assert "forward" not in vars(network.lif1)


def test_every_neuron_of_snntorch_has_a_row() -> None:
    names = {n for n, c in vars(snn).items() if isinstance(c, type) and issubclass(c, nn.Module)}
    assert names - {"LIF"} <= set(ROWS)


def test_what_is_refused_between_neurons_is_refused_by_name() -> None:
    cells = [snn.Leaky(beta=0.9, init_hidden=True) for _ in range(2)]
    network = nn.Sequential(nn.Linear(20, 16), cells[0], nn.Linear(16, 16), nn.Mish(), nn.LayerNorm(16), cells[1])
    with pytest.raises(DiagnosticError) as caught:
        akc.lower(network, example=(1, 20), readout="count", steps=5, input_range=(0, 1))
    assert {word for d in caught.value.diagnostics for word in ("Mish", "LayerNorm") if word in d.message}
