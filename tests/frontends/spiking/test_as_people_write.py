# SPDX-License-Identifier: Apache-2.0
"""Whole networks as people write them: read as they compute, and what lower accepts, build takes."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch

import akc
from akc.base.diagnostics import DiagnosticError
from akc.sim.run import run
from tests.frontends.spiking.people.table import NETWORKS, T

for part in ("snntorch_cells", "snntorch_forward", "others"):
    import_module(f"tests.frontends.spiking.people.{part}")

ON_HOST = {
    "tutorial5": {"AKC0392"},
    "alpha_net": {"AKC0372"},
    "rleaky_net": {"AKC0371", "AKC0393"},
    "conv_dvs_time_first_strided": {"AKC0422", "AKC0426"},
    "relus_around": {"AKC0426"},
    "rows_of_an_image": {"AKC0529"},
    "population": {"AKC0423"},
    "learnable": {"AKC0420"},
    "sj_dvs": {"AKC0423"},
}
"""Networks that need the host, and what lower says without it."""


REFUSED = {"time_in_features": "AKC0383"}
"""Networks that cannot be read; the way out of each is followed by a test below."""


def made(name: str) -> tuple[torch.nn.Module, tuple[int, ...], dict[str, object]]:
    torch.manual_seed(0)
    make, shape, told = NETWORKS[name]
    return make().eval(), shape, told


def test_how_many_there_are() -> None:
    assert len(NETWORKS) >= 42


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(REFUSED)))
def test_what_lower_accepts_build_takes(name: str) -> None:
    """Without the host, or with it where lower named everything that needs it, each with a way out."""
    net, shape, told = made(name)
    told = {"input_range": (0.0, 1.0), **told}
    if name not in ON_HOST:
        akc.build(akc.lower(net, example=shape, **told))
        return
    with pytest.raises(DiagnosticError) as refused:
        akc.lower(net, example=shape, **told)
    assert {d.code for d in refused.value.diagnostics} == ON_HOST[name]
    assert any("--host=allow" in way for d in refused.value.diagnostics for way in d.help)
    akc.build(akc.lower(net, example=shape, host="allow", **told), host="allow")


@pytest.mark.parametrize("name", sorted(n for n in NETWORKS if not n.startswith("sinabs") and n not in REFUSED))
def test_answers_of_the_source(name: str) -> None:
    """The imported text gives what forward gives, sample by sample."""
    net, shape, told = made(name)
    module = akc.lower(net, example=shape, pipeline="", check="off", **told)
    kind = module.net.inputs[0].type
    x = np.random.default_rng(1).integers(0, 4, (3, *kind.full_shape)).astype(np.float32) / 4
    ours = next(iter(run(module, x).values()))
    for sample, got in zip(x, ours, strict=True):
        given = torch.from_numpy(sample).reshape(shape)
        with torch.no_grad():
            wanted = _answer(net, given, told)
        np.testing.assert_allclose(got.ravel(), wanted.ravel(), rtol=1e-3, atol=1e-3)


def _answer(net: torch.nn.Module, given: torch.Tensor, told: dict[str, object]) -> np.ndarray:
    """What forward gives; a network that is one step is called again and again."""
    if "steps" in told:
        from snntorch import utils

        utils.reset(net)
        return np.asarray(sum(net(given)[0] for _ in range(T)))
    for part in net.modules():
        if hasattr(part, "reset") and type(part).__module__.startswith("spikingjelly"):
            part.reset()
    found = net(given)
    return np.asarray(found[0] if isinstance(found, tuple) else found)


def test_steps_that_a_view_cuts_out_of_the_input() -> None:
    """The way out: the view stands outside of forward, and the input has its time axis."""
    net, shape, _ = made("time_in_features")
    with pytest.raises(DiagnosticError, match="AKC0383") as refused:
        akc.lower(net, example=shape, input_range=(0.0, 1.0))
    assert all("give forward an input that has its time axis already" in d.help[0] for d in refused.value.diagnostics)

    class Rows(type(net)):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            m1, m2, out = self.lif1.init_leaky(), self.lif2.init_leaky(), 0
            for t in range(T):
                k, m1 = self.lif1(self.fc1(x[:, t, :]), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out = out + k
            return out

    akc.build(akc.lower(Rows().eval(), example=(1, T, 20), input_range=(0.0, 1.0)))
