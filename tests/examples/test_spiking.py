# SPDX-License-Identifier: Apache-2.0
"""The naive recipe for spiking networks, and what it loses against akc's on a part of a test set."""

from __future__ import annotations

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

import akc
from akc.ir.ops.akida import FullyConnected
from examples import naive, roads
from examples.data import Floats
from examples.mnist_snn.run import case

pytestmark = pytest.mark.example
STEPS, THRESHOLD = 15, 0.7


class Two(nn.Module):
    """8-6-4 leaky neurons under a constant current."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc1, self.lif1 = nn.Linear(8, 6), snn.Leaky(beta=0.9, threshold=THRESHOLD)
        self.fc2, self.lif2 = nn.Linear(6, 4), snn.Leaky(beta=0.9)

    def forward(self, x: Tensor) -> Tensor:
        """Summed output membrane."""
        first, second = self.lif1.reset_mem(), self.lif2.reset_mem()
        membranes = []
        for _ in range(STEPS):
            spikes, first = self.lif1(self.fc1(x), first)
            _, second = self.lif2(self.fc2(spikes), second)
            membranes.append(second)
        return torch.stack(membranes).sum(0)


def inputs() -> Floats:
    """Fifty samples that reach from 0 to 1."""
    return np.concatenate([np.eye(8, dtype=np.float32), np.random.default_rng(0).random((42, 8), np.float32)])


def hidden(bits: int) -> tuple[akc.Module, FullyConnected, Two]:
    """The naive network, its first chip layer, and the source."""
    source = Two().eval()
    module = naive.lower(source, (1, 8), inputs(), (0.0, 1.0), "refuse", bits)
    layer = next(op for op in module.net.ops if isinstance(op, FullyConnected))
    return module, layer, source


def test_one_bit_fires_above_the_trained_threshold() -> None:
    module, layer, source = hidden(1)
    weights, bias = source.fc1.weight.detach().numpy(), source.fc1.bias.detach().numpy()
    step = np.abs(weights).max() / 7
    np.testing.assert_array_equal(module.array(layer.weights), np.rint(weights / step))
    expected = (THRESHOLD - bias) / step / (1 / 15)
    assert np.abs(module.array(layer.threshold) - expected).max() <= 1
    assert layer.act_bits == 1


def test_four_bits_reach_the_largest_current() -> None:
    module, layer, source = hidden(4)
    with torch.no_grad():
        largest = float(source.fc1(torch.from_numpy(inputs())).max())
    unit = np.abs(source.fc1.weight.detach().numpy()).max() / 7 / 15
    assert module.array(layer.act_step) == pytest.approx(largest / 15 / unit, rel=0.02)
    assert layer.act_bits == 4


def test_naive_loses_and_calibrated_does_not() -> None:
    rows, program = roads.compare(case(2_000), roads.SPIKING_ROADS)
    by_name = {row.what: row for row in rows}
    source = by_name["source network (float)"].accuracy
    assert by_name[roads.NAIVE_SPIKES.what].accuracy < source - 1
    assert by_name[roads.NAIVE_STEPS.what].accuracy < source - 8
    assert by_name[roads.DATA_FREE.what].accuracy > source - 0.5
    assert by_name[roads.CALIBRATED.what].accuracy > source - 0.3
    assert (len(program.sequences), roads.processors(program)) == (1, 2)
