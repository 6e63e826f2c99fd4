# SPDX-License-Identifier: Apache-2.0
"""Live sinabs networks against the package's own answers, squeezed or not; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sinabs
import sinabs.activation as sa
import sinabs.layers as sl
import torch
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.sim.run import run
from tests.frontends.spiking.networks import inputs, on_grid

T, SAMPLES = 8, 10


def cell(name: str, squeezed: bool) -> Any:
    """A layer by name."""
    kind, fields = CELLS[name]
    made = getattr(sl, f"{kind}Squeeze" if squeezed else kind)
    return made(**fields(), **({"batch_size": 1} if squeezed else {}))


CELLS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "iaf": ("IAF", dict),
    "bounded": ("IAF", lambda: {"min_v_mem": -1.0}),
    "single": ("IAF", lambda: {"spike_fn": sa.SingleSpike}),
    "two at most": ("IAF", lambda: {"spike_fn": sa.MaxSpike(2)}),
    "reset": ("IAF", lambda: {"reset_fn": sa.MembraneReset()}),
    "half": ("IAF", lambda: {"reset_fn": sa.MembraneSubtract(0.5)}),
    "lif": ("LIF", lambda: {"tau_mem": 2.0}),
    "as they are": ("LIF", lambda: {"tau_mem": 8.0, "norm_input": False}),
    "synaptic": ("LIF", lambda: {"tau_mem": 8.0, "tau_syn": 4.0, "norm_input": False}),
    "alphas": ("LIF", lambda: {"tau_mem": 8.0, "train_alphas": True, "norm_input": False}),
    "leak": ("ExpLeak", lambda: {"tau_mem": 8.0}),
}


def network(name: str, squeezed: bool, maps: bool) -> nn.Sequential:
    torch.manual_seed(0)
    first, last = cell("iaf" if name == "leak" else name, squeezed), cell(name, squeezed)
    if not maps:
        return on_grid(nn.Sequential(nn.Linear(20, 16), first, nn.Linear(16, 4), last), 6.0).eval()
    each = (lambda layer: layer) if squeezed else sl.Repeat
    layers = [each(nn.Conv2d(2, 4, 3, padding=1)), first, each(sl.SumPool2d(2)), each(nn.Conv2d(4, 6, 3)),
              nn.Flatten(1 if squeezed else 2), nn.Linear(24, 4), last]  # fmt: skip
    return on_grid(nn.Sequential(*layers), 3.0).eval()


READ: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda y: y.sum(1),
    "mean": lambda y: y.mean(1),
    "last": lambda y: y[:, -1],
}


class Read(nn.Module):
    """A network with a read-out in forward."""

    def __init__(self, net: nn.Sequential, squeezed: bool, how: str) -> None:
        super().__init__()
        self.net, self.squeezed, self.how = net, squeezed, how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.net(x)
        return READ[self.how](y.unflatten(0, (1, -1)) if self.squeezed else y)


def own_answers(net: nn.Module, x: torch.Tensor, squeezed: bool) -> torch.Tensor:
    """[samples, T, classes], each sample from rest."""
    answers = []
    for sample in x:
        sinabs.reset_states(net)
        with torch.no_grad():
            answers.append(net(sample if squeezed else sample[None]).reshape(T, -1))
    sinabs.reset_states(net)
    return torch.stack(answers)


@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize(("name", "maps"), [*((n, False) for n in CELLS), ("iaf", True), ("synaptic", True)])
def test_same_answers(name: str, maps: bool, squeezed: bool) -> None:
    shape = (2, 8, 8) if maps else (20,)
    net, x = network(name, squeezed, maps), inputs(SAMPLES, T, *shape)
    own = own_answers(net, x, squeezed)
    example = (T, *shape) if squeezed else (1, T, *shape)
    for how, read in READ.items():
        module = akc.lower(Read(net, squeezed, how).eval(), example=example, input_range=(0, 1), pipeline="")
        (got,) = run(module, x.numpy()).values()
        np.testing.assert_allclose(got, read(own).numpy(), atol=1e-4, rtol=1e-5)
    assert float(own.abs().sum()) > 0


def test_a_network_that_gives_all_steps_is_read_as_asked() -> None:
    net, x = network("iaf", True, True), inputs(SAMPLES, T, 2, 8, 8)
    module = akc.lower(net, example=(T, 2, 8, 8), input_range=(0, 1), readout="count", pipeline="")
    (got,) = run(module, x.numpy()).values()
    np.testing.assert_array_equal(got, own_answers(net, x, True).sum(1).numpy())
    assert got.max() > T


def test_converted_networks() -> None:
    """What from_model makes of a network with ReLUs."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4), nn.ReLU())
    net = sinabs.from_model(on_grid(plain, 4.0), input_shape=(2, 8, 8), batch_size=1).spiking_model.eval()
    x = inputs(SAMPLES, T, 2, 8, 8)
    module = akc.lower(net, example=(T, 2, 8, 8), input_range=(0, 1), readout="count", pipeline="")
    (got,) = run(module, x.numpy()).values()
    np.testing.assert_array_equal(got, own_answers(net, x, True).sum(1).numpy())


def test_layers_for_several_samples_are_refused_and_the_way_out_arrives() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 4), sl.IAFSqueeze(batch_size=4)).eval()
    with pytest.raises(DiagnosticError, match="several samples") as refused:
        akc.lower(net, example=(4 * T, 20), readout="count", pipeline="")
    assert refused.value.diagnostics[0].code == "AKC0332"
    assert "sinabs.set_batch_size(model, 1)" in refused.value.diagnostics[0].help[0]
    sinabs.set_batch_size(net, 1)
    assert akc.lower(net, example=(T, 20), readout="count", input_range=(0, 1), pipeline="").net.outputs


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        (lambda: sl.ALIF(tau_mem=8.0, tau_adapt=4.0), "AKC0373"),
        (lambda: sl.LIFRecurrent(tau_mem=8.0, rec_connect=nn.Linear(4, 4)), "AKC0371"),
        (lambda: sl.IAF(reset_fn=lambda spikes, state, threshold: state), "AKC0372"),
        (lambda: sl.ExpLeak(tau_mem=8.0, min_v_mem=0.0), "AKC0372"),
    ],
)
def test_refusals(layer: Callable[[], Any], code: str) -> None:
    net = nn.Sequential(nn.Linear(20, 4), layer()).eval()
    with pytest.raises(DiagnosticError) as refused:
        akc.lower(net, example=(1, T, 20), readout="count", pipeline="")
    assert [d.code for d in refused.value.diagnostics] == [code]


def test_several_spikes_a_step_go_onto_the_chip() -> None:
    """By rates, and with the neurons on the host."""
    net = network("iaf", False, False)
    x = inputs(60, T, 20).numpy()
    for spikes, host in (("rate", "refuse"), ("hybrid", "allow")):
        module = akc.lower(net, example=(1, T, 20), readout="count", calibrate=x, least=0.0, spikes=spikes, host=host)
        assert akc.build(module, host=host).sequences
