# SPDX-License-Identifier: Apache-2.0
"""A bug planted in each spiking frontend is caught by a normal compile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import norse.torch as norse
import numpy as np
import pytest
import snntorch as snn
import torch
from attrs import evolve
from torch import nn

import akc
from akc.compiler.pipeline import Context
from akc.frontends.spiking import bindsnet as bindsnet_frontend
from akc.frontends.spiking import lava as lava_frontend
from akc.frontends.spiking import nir_producers
from akc.frontends.spiking import norse as norse_frontend
from akc.frontends.spiking import weights as weights_frontend
from tests.frontends.spiking import test_bindsnet, test_lava, test_nir
from tests.frontends.spiking.networks import Loop, on_grid
from tests.frontends.spiking.test_bindsnet import bindsnet

__all__ = ["bindsnet"]

STEPS: dict[str, Any] = {"steps": 12, "readout": "count"}


def check(source: Any, **options: Any) -> str:
    """The line of a compile that only reads."""
    context = Context()
    akc.lower(source, pipeline="", context=context, **options)
    return context.checks.line()


def caught(source: Any, name: str, **options: Any) -> None:
    with pytest.raises(akc.DiagnosticError, match=rf"AKC0720(.|\n)*gives other answers than {name} itself"):
        akc.lower(source, pipeline="", **options)


def more(key: str) -> Callable[[Any], Any]:
    """A change to a neuron as it is read: one number a tenth larger."""

    def change(spec: Any) -> Any:
        value = np.asarray(spec.parameters[key], np.float32) * np.float32(1.1)
        return evolve(spec, parameters={**spec.parameters, key: value})

    return change


class NorseLoop(nn.Module):
    """Two cells in a loop of ten steps, spikes counted."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.lif = nn.Linear(20, 16), norse.LIFBoxCell()
        self.fc2, self.out = nn.Linear(16, 4), norse.LIFBoxCell()
        self.fc1.weight.data *= 20
        self.fc2.weight.data *= 20

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = second = None
        spikes = []
        for _ in range(10):
            s, first = self.lif(self.fc1(x), first)
            s, second = self.out(self.fc2(s), second)
            spikes.append(s)
        return torch.stack(spikes).sum(0)


def test_norse(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "import = NorseLoop on 32 inputs" in check(NorseLoop().eval(), example=(1, 20))
    row = norse_frontend.ROWS["LIFBoxCell"]
    read, change = row.read, more("v_th")
    assert read is not None
    planted = evolve(row, read=lambda *arguments: change(read(*arguments)))
    monkeypatch.setitem(norse_frontend.ROWS, "LIFBoxCell", planted)
    caught(NorseLoop().eval(), "NorseLoop", example=(1, 20))


def test_nir_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(0.2, 0.6, (6, 20)).astype(np.float32)
    path = test_nir.chained(tmp_path, (20,), nir.Linear(weight=weight), test_nir.lif(6))
    options = {**STEPS, "producer": "spec", "dt": 1e-3}
    assert "import = net.nir on 32 inputs" in check(path, **options)
    row = nir_producers.PRODUCERS["spec"]
    maker, change = row.makers["LIF"], more("v_th")
    planted = evolve(row, makers={**row.makers, "LIF": lambda ask: change(maker(ask))})
    monkeypatch.setitem(nir_producers.PRODUCERS, "spec", planted)
    caught(path, "net.nir", **options)


def test_lava_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = test_lava.written(
        tmp_path, test_lava.dense(rng.integers(-60, 90, (16, 20))), test_lava.dense(rng.integers(-60, 60, (5, 16)))
    )
    assert "import = net.net on 32 inputs" in check(path, **STEPS)

    def wider(chain: Any, name: str, layer: Any) -> None:
        chain.dense(name, np.asarray(layer.weight, np.float32) + 3)

    monkeypatch.setitem(lava_frontend.APPENDERS, "dense", wider)
    caught(path, "net.net", **STEPS)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights(suffix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(1)
    network = on_grid(Loop(snn.Leaky(beta=0.9), snn.Leaky(beta=0.5)), 3.0)
    path = str(tmp_path / f"net{suffix}")
    (torch.save if suffix == ".pt" else save_file)(network.state_dict(), path)
    assert f"import = net{suffix} on 32 inputs" in check(path, **STEPS)
    monkeypatch.setattr(weights_frontend, "_stored_reset", lambda values: "none")
    caught(path, f"net{suffix}", **STEPS)


def test_bindsnet_files(bindsnet: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = (torch.rand(20, 16, generator=generator) * 320).round() / 64
    second = (torch.rand(16, 4, generator=generator) * 320).round() / 64
    path = test_bindsnet.saved(tmp_path, test_bindsnet.chain(bindsnet, weight, second))
    options = {"steps": 40, "readout": "count"}
    assert "import = net.bindsnet.pt on 32 inputs" in check(path, **options)
    row = bindsnet_frontend.ROWS["LIFNodes"]
    read = row.read
    assert read is not None

    def planted(*arguments: Any) -> Any:
        spec = read(*arguments)
        return evolve(spec, settings={**spec.settings, "refrac": 0.0})

    monkeypatch.setitem(bindsnet_frontend.ROWS, "LIFNodes", evolve(row, read=planted))
    caught(path, "net.bindsnet.pt", **options)
