# SPDX-License-Identifier: Apache-2.0
"""Read-outs on their way to the chip: what rates can say is right, what they cannot is refused with a way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.sim.run import run
from tests.frontends.spiking.by_hand import STEPS, ByHand, flat
from tests.frontends.spiking.networks import inputs, on_grid

X = inputs(40, 20)


def lowered(network: nn.Module, **options: Any) -> Any:
    return akc.lower(network.eval(), **{"example": (1, 20), "input_range": (0.0, 1.0), "least": 0.0, **options})


@pytest.mark.parametrize(
    "read",
    [
        lambda h, s, m: sum(s[3:]),
        lambda h, s, m: sum(v * float(t) for t, v in enumerate(s)),
        lambda h, s, m: sum(s) * 0.25,
    ],
    ids=["some steps", "a weight for each", "scaled"],
)
def test_sums_by_rate_have_the_right_size(read: Any) -> None:
    module = akc.lower(ByHand(read).eval(), example=(1, 20), pipeline="rate", input_range=(0.0, 1.0))
    whole = akc.lower(ByHand().eval(), example=(1, 20), pipeline="rate", input_range=(0.0, 1.0))
    got, counts = (next(iter(run(m, X.numpy()).values())) for m in (module, whole))
    with torch.no_grad():
        wanted, spikes = ByHand(read).eval()(X).numpy(), ByHand().eval()(X).numpy()
    assert np.abs(got).sum() / np.abs(counts).sum() == pytest.approx(wanted.sum() / spikes.sum(), rel=0.15)


ORDERED = {
    "all steps": (lambda h, s, m: torch.stack(m, 1), {"readout": "none"}),
    "one step against another": (lambda h, s, m: m[-1] - m[0], {}),
}


@pytest.mark.parametrize("kind", ORDERED)
def test_what_rates_do_not_know_is_refused_and_the_way_out_arrives(kind: str) -> None:
    read, options = ORDERED[kind]
    with pytest.raises(DiagnosticError, match="AKC0392") as caught:
        lowered(ByHand(read), **options)
    assert "--host=allow with --spikes hybrid" in caught.value.diagnostics[0].help[0]
    network = ByHand(read)
    module = lowered(network, host="allow", spikes="hybrid", calibrate=X.numpy(), **options)
    akc.build(module, host="allow")
    with torch.no_grad():
        wanted = flat(network(X))[0]
    got = next(iter(run(module, X.numpy()).values()))
    assert got.shape == wanted.shape
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.8


class OnPixels(nn.Module):
    """A neuron directly on the input, or on the input times a number."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain
        torch.manual_seed(0)
        self.encode, self.fc, self.lif = snn.Leaky(beta=0.75), nn.Linear(20, 8), snn.Leaky(beta=0.75)
        on_grid(self, 4.0)

    def forward(self, x: torch.Tensor) -> Any:
        m1, m2, total = self.encode.reset_mem(), self.lif.reset_mem(), 0
        for _ in range(STEPS):
            k, m1 = self.encode(x * self.gain if self.gain != 1 else x, m1)
            k, m2 = self.lif(self.fc(k), m2)
            total = total + k
        return total


def test_what_lower_accepts_build_takes() -> None:
    akc.build(lowered(OnPixels(1.0)))
    with pytest.raises(DiagnosticError) as caught:
        lowered(OnPixels(0.5))
    assert {d.code for d in caught.value.diagnostics} == {"AKC0529"}
    assert all("--host=allow" in d.help[0] for d in caught.value.diagnostics)
    akc.build(lowered(OnPixels(0.5), host="allow"), host="allow")


def test_a_class_of_the_same_name_from_elsewhere_is_another() -> None:
    class Leaky(nn.Module):
        """Not snnTorch's."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x)

    network = nn.Sequential(nn.Linear(20, 8), Leaky(), nn.Linear(8, 4), snn.Leaky(beta=0.5, init_hidden=True))
    text = akc.print_module(
        akc.lower(network.eval(), example=(1, 20), pipeline="", input_range=(0.0, 1.0), steps=5, readout="count")
    )
    assert text.count("= snn.leaky(") == 1 and text.count("= nn.relu(") == 1


def test_an_unknown_framework_is_one_error() -> None:
    kind = type("LIFTorch", (nn.Module,), {"__module__": "rockpool.nn.modules.torch.lif_torch"})
    network = nn.Sequential(nn.Linear(20, 8), kind(), nn.Linear(8, 4), kind())
    with pytest.raises(DiagnosticError, match=r"AKC0386.*rockpool") as caught:
        akc.lower(network, example=(1, 20))
    assert len(caught.value.diagnostics) == 1
