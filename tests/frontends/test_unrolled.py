# SPDX-License-Identifier: Apache-2.0
"""ONNX files of networks whose time steps were written out: spiking neurons arrive under one name, with advice."""

from __future__ import annotations

import pytest
import snntorch
import torch
from torch import Tensor, nn

from akc.frontends.onnx import read_onnx
from akc.ir.opaque import opaque_kind
from akc.ir.ops.nn import Dense, Opaque
from akc.ir.verifier import verify
from tests.frontends.ways import exported


class Spiking(nn.Module):
    """Two layers of snn.Leaky over three steps, read by counting spikes."""

    def __init__(self, reset: str) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(4, 5), snntorch.Leaky(beta=0.9, reset_mechanism=reset)
        self.fc2, self.lif2 = nn.Linear(5, 3), snntorch.Leaky(beta=0.8, reset_mechanism=reset)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
        counts = []
        for _ in range(3):
            spikes, first = self.lif1(self.fc1(x), first)
            spikes, second = self.lif2(self.fc2(spikes), second)
            counts.append(spikes)
        return torch.stack(counts).sum(0)


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("dynamo", [True, False])
def test_unrolled_spiking_network(reset: str, dynamo: bool) -> None:
    """One opaque operation behind the first dense layer, whose row says what to give instead."""
    module = read_onnx(exported(Spiking(reset).eval(), torch.rand(1, 4), dynamo))
    assert not verify(module)
    first, *rest = module.net.ops
    assert isinstance(first, Dense)
    (opaque,) = rest
    assert isinstance(opaque, Opaque)
    assert opaque.op == "unrolled spiking neuron"
    assert str(module.net.output_types[0]) == "f32[3]"
    assert "state_dict or a NIR file" in opaque_kind(opaque.op).way_out
