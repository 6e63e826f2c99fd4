# SPDX-License-Identifier: Apache-2.0
"""LSTM layers that spike against snnTorch's own: the same inputs, the same spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from attrs import evolve

from akc.ir.module import Module, Net, Value
from akc.ir.ops import snn_gated
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.sim.run import run

STEPS, BATCH = 12, 4


def ours(cls: type[snn_gated.Gated], x: np.ndarray, weights: dict[str, Any], **fields: Any) -> list[np.ndarray]:
    """Spikes and membranes [batch, T, ...] of one op for inputs [batch, T, ...]."""
    pool = {name: Weight.of(w.detach().numpy(), "f32") for name, w in weights.items()}
    entry = Value("x", TensorType("f32", x.shape[2:], STEPS))
    found = []
    for output in ("spikes", "membrane"):
        draft = cls(x="x", result=Value("s", entry.type), output=output, **{k: k for k in weights}, **fields)
        kind = draft.infer(Types({"x": entry.type}, {n: w.type for n, w in pool.items()}))
        op = evolve(draft, result=Value("s", kind))
        net = Net(name="n", inputs=(entry,), statements=(op,), outputs=("s",), output_types=(kind,))
        found.append(run(Module(net=net, weights=pool), x)["s"])
    return found


def theirs(cell: Any, x: np.ndarray, channels_first: bool = False) -> list[np.ndarray]:
    """The same of a snnTorch layer with explicit states."""
    parts: tuple[list[Any], list[Any]] = ([], [])
    state: tuple[Any, ...] = ()
    with torch.no_grad():
        for step in torch.from_numpy(x).movedim(1, 0):
            fired, *state = cell(step.movedim(-1, 1) if channels_first else step, *state)
            parts[0].append(fired)
            parts[1].append(state[1])
    stacked = [torch.stack(part, 1) for part in parts]
    return [(part.movedim(2, -1) if channels_first else part).numpy() for part in stacked]


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("features", [8, 6])
def test_slstm(reset: str, features: int) -> None:
    """With 6 features and 8 hidden states snnTorch 1.0.0 starts from zeros at every step."""
    torch.manual_seed(3)
    cell = snntorch.SLSTM(features, 8, threshold=0.05, reset_mechanism=reset)
    x = np.random.default_rng(0).normal(0, 2, (BATCH, STEPS, features)).astype(np.float32)
    c = cell.lstm_cell
    weights = {"w_ih": c.weight_ih, "w_hh": c.weight_hh, "b_ih": c.bias_ih, "b_hh": c.bias_hh}
    found = ours(snn_gated.Lstm, x, weights, threshold=0.05, reset=reset, forgets=features != 8)
    wanted = theirs(cell, x)
    assert 0.1 < wanted[0].mean() < 0.9
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_allclose(found[1], wanted[1], atol=2e-6)


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("pool", ["none", "max", "average"])
def test_sconv2dlstm(reset: str, pool: str) -> None:
    torch.manual_seed(4)
    pools = {"max": {"max_pool": 2}, "average": {"avg_pool": 2}, "none": {}}[pool]
    cell = snntorch.SConv2dLSTM(2, 3, (3, 5), threshold=0.03, reset_mechanism=reset, **pools)
    x = np.random.default_rng(1).normal(0, 1, (BATCH, STEPS, 6, 7, 2)).astype(np.float32)
    weights = {"weight": cell.conv.weight.movedim(1, -1), "bias": cell.conv.bias}
    size = (1, 1) if pool == "none" else (2, 2)
    found = ours(snn_gated.ConvLstm, x, weights, threshold=0.03, reset=reset, pool=pool, size=size)
    wanted = theirs(cell, x, channels_first=True)
    assert 0.1 < wanted[0].mean() < 0.9
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_allclose(found[1], wanted[1], atol=2e-6)
