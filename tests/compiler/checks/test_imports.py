# SPDX-License-Identifier: Apache-2.0
"""Check 1 in a normal compile: the source is run and held against its import."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import onnx
import pytest
import snntorch as snn
import torch
from torch import nn

import akc
from akc.compiler.checks.torch_running import quiet
from akc.compiler.pipeline import Context
from akc.frontends.onnx import table as onnx_table
from akc.frontends.spiking import snntorch as snntorch_frontend
from akc.frontends.torch import graph
from akc.frontends.torch import table as torch_table
from tests.frontends.spiking.networks import Loop


def lower(source: Any, **options: Any) -> str:
    """The line of a compile that only reads."""
    context = Context()
    akc.lower(source, pipeline="", context=context, **options)
    return context.checks.line()


def cnn() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()


def spiking(**fields: Any) -> nn.Module:
    torch.manual_seed(0)
    return Loop(snn.Leaky(beta=0.8, **fields), snn.Leaky(beta=0.8), read="count").eval()


def exported(network: nn.Module, *shape: int) -> onnx.ModelProto:
    buffer = io.BytesIO()
    torch.onnx.export(network, (torch.zeros(*shape),), buffer, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())


def test_line_tells_source_inputs_and_difference() -> None:
    assert lower(cnn(), example=(1, 1, 8, 8)).startswith("checked: import = Sequential on 32 inputs (")
    assert lower(exported(cnn(), 1, 1, 8, 8)).startswith("checked: import = the model on 32 inputs (")
    assert "import = Loop on 32 inputs" in lower(spiking(), example=(1, 20))


def test_off_checks_nothing() -> None:
    assert lower(cnn(), example=(1, 1, 8, 8), check="off") == ""


def test_full_takes_more_probes() -> None:
    assert "on 256 inputs" in lower(cnn(), example=(1, 1, 8, 8), check="full")


def test_unknown_level() -> None:
    with pytest.raises(akc.DiagnosticError, match="AKC0912"):
        akc.lower(cnn(), example=(1, 1, 8, 8), check="some")


def test_a_large_network_gets_fewer_probes_and_says_so() -> None:
    wide = nn.Sequential(nn.Linear(2000, 3000), nn.ReLU(), nn.Linear(3000, 3000)).eval()
    assert "on 3 inputs" in (line := lower(wide, example=(1, 2000))) and "15 million multiply-adds each" in line


def test_layers_that_never_fire_are_named() -> None:
    assert "lif1 never fired" in lower(spiking(threshold=1e6), example=(1, 20))


def test_an_unknown_layer_is_said() -> None:
    line = lower(nn.Sequential(nn.Conv3d(1, 2, 3)).eval(), example=(1, 1, 4, 4, 4))
    assert line == "checked: import unchecked, because akc does not know 3-D convolution"


def test_a_dropped_relu_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropped(r: Any, node: Any, x: Any, *rest: Any) -> None:
        r.aliases[node.name] = r.name(x)

    monkeypatch.setitem(torch_table.HANDLERS, "relu", dropped)
    with pytest.raises(akc.DiagnosticError, match=r"AKC0720(.|\n)*gives other answers than Sequential itself"):
        akc.lower(cnn(), example=(1, 1, 8, 8))


def test_a_dropped_relu_of_a_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = exported(cnn(), 1, 1, 8, 8)
    monkeypatch.setitem(onnx_table.HANDLERS, "Relu", lambda r, node: r.alias(node))
    with pytest.raises(akc.DiagnosticError, match="AKC0720"):
        akc.lower(model)


def test_a_reset_that_is_read_wrong_is_found_at_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snntorch_frontend, "_reset", lambda module, options, path: "none")
    with pytest.raises(akc.DiagnosticError, match=r"'lif1' \(snn.leaky\) is the first layer that differs, at step \d"):
        akc.lower(spiking(), example=(1, 20))


class Started(nn.Module):
    """A layer of neurons that starts at `start`, in a loop of eight steps."""

    def __init__(self, start: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.lif, self.start = nn.Linear(20, 8), snn.Leaky(beta=0.9), start

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        membrane, spikes = torch.full((x.size(0), 8), self.start), []
        for _ in range(8):
            spike, membrane = self.lif(self.fc(x), membrane)
            spikes.append(spike)
        return torch.stack(spikes).sum(0)


@pytest.mark.parametrize("start", [0.0, 0.5, 0.9])
def test_a_start_value_is_read_or_refused(start: float) -> None:
    """Whatever the reader makes of it, no other answer comes without an error."""
    network, x = Started(start).eval(), np.random.default_rng(1).random((40, 20)).astype(np.float32) * 4
    try:
        module = akc.lower(network, example=(1, 20), pipeline="")
    except akc.DiagnosticError:
        assert start
        return
    (got,) = akc.sim.run.run(module, x).values()
    assert np.array_equal(got, network(torch.from_numpy(x)).detach().numpy())


class Two(nn.Module):
    """Two results, one of which a faulty reader forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.first(x), self.second(x)


def test_a_forgotten_result_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "import = Two" in lower(Two().eval(), example=(1, 4))
    flat = graph._flat
    monkeypatch.setattr(graph, "_flat", lambda results: flat(results)[:1])
    with pytest.raises(akc.DiagnosticError, match=r"AKC0722.*Two gives 2 results, its import 1"):
        akc.lower(Two().eval(), example=(1, 4))


class Restless(nn.Module):
    """A forward that changes the module, draws random numbers and stores what hangs on a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.calls, self.last = nn.Linear(4, 3), 0, None
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.fc(x)
        return y


def test_the_users_module_and_the_generators_stay_as_they_are() -> None:
    network = Restless()
    network.last = network.fc(torch.ones(1, 4))  # hangs on a graph, which plain copies refuse
    before, random, kind = copy.deepcopy(network.state_dict()), torch.random.get_rng_state(), torch.get_default_dtype()
    lower(network, example=(1, 4))
    assert network.training and not network.fc._forward_hooks and torch.get_default_dtype() is kind
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_everything_runs_in_float64() -> None:
    with quiet(doubles=True):
        assert torch.zeros(2, dtype=torch.float32).dtype is torch.float64
        assert (torch.ones(1) > 0).float().dtype is torch.float64


class FixedBatch(nn.Module):
    """A forward that takes one sample at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.fc(x)).reshape(1, 3)


def test_a_source_that_takes_single_samples() -> None:
    assert "import = FixedBatch on 32 inputs" in lower(FixedBatch().eval(), example=(1, 4))
