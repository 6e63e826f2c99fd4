# SPDX-License-Identifier: Apache-2.0
"""Typical networks, three ways in: the same text up to names, and the numbers of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from akc.ir.ops.nn import Opaque
from akc.sim.run import run
from tests.frontends.ways import all_ways, same_network
from tests.frontends.zoo import NETWORKS, randomised


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str) -> None:
    """The three texts are equal, hold nothing opaque, and compute what PyTorch computes."""
    make, shape = NETWORKS[name]
    torch.manual_seed(1)
    module = randomised(make())
    ways = all_ways(module, shape)
    same_network(ways["torch"], ways["dynamo"])
    same_network(ways["torch"], ways["older"])
    batch_axis = 1 if name == "lstm_time_first" else 0
    samples = [torch.rand(shape) * 2 - 0.5 for _ in range(4)]
    with torch.no_grad():
        wanted = np.stack([module(x).numpy() for x in samples])
    fed = np.concatenate([np.moveaxis(x.numpy(), batch_axis, 0) for x in samples])
    for way, imported in ways.items():
        assert not any(isinstance(op, Opaque) for op in imported.net.ops)
        (got,) = run(imported, fed).values()
        np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5, err_msg=way)
