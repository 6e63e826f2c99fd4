# SPDX-License-Identifier: Apache-2.0
"""Corners of passes that mutants showed to be unwatched (`python -m tests.mutation`)."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.ops import nn
from akc.ir.verifier import verify
from akc.passes import PASSES
from akc.passes.shared.rewriting.affine import Scaling
from akc.passes.shared.rewriting.split_signs import with_split_signs
from akc.passes.shared.rewriting.unfolding import unfolded
from akc.targets.akd1000 import TARGET
from tests.passes.building import Building, assert_same, context
from tests.passes.test_spiking import dense as spiking
from tests.passes.test_spiking import images


def _with_input_range(module: Module, low: float, high: float) -> Module:
    (value,) = module.net.inputs
    return evolve(module, net=evolve(module.net, inputs=(evolve(value, range=(low, high)),)))


@pytest.mark.parametrize("groups", [1, 4])
def test_signs_are_split_in_front_of_convolutions_of_both_kinds(groups: int) -> None:
    """A border of zeros around signed values: both parts side by side give the same, depthwise too."""
    net = Building(6, 6, 4).conv(4, 3, groups=groups, pad=(1, 1, 1, 1)).conv(5, 1).relu()
    module = _with_input_range(net.module(), -1.0, 1.0)
    split = with_split_signs(module, TARGET.numbers)
    assert split is not module and not verify(split)
    (conv, *_) = [op for op in split.net.ops if isinstance(op, nn.Conv)]
    assert split.net.types[conv.x].shape[2] == 8
    assert_same(module, split, low=-1.0)


def test_cells_that_no_pool_reads_are_not_computed() -> None:
    """9 outputs under a pool of 2: the host hands over 8 windows, and what stands between gets their types."""
    module = Building(11, 11, 1).conv(3, 3).relu().max_pool().module()
    conv = next(op for op in module.net.ops if isinstance(op, nn.Conv))
    changed = unfolded(module, conv, lambda one: True)
    assert changed is not None and not verify(changed)
    relu = next(op for op in changed.net.ops if isinstance(op, nn.Relu))
    assert relu.type.shape == (8, 8, 3)
    assert_same(module, changed)


def test_one_number_for_all_channels() -> None:
    scaling = Scaling(np.array(2.0), np.array(0.5)).per_channel()
    assert scaling is not None
    assert (scaling.scale.tolist(), scaling.shift.tolist()) == ([2.0], [0.5])


def test_no_channel_is_scaled_by_more_than_sixteen() -> None:
    """Two channels that hardly ever fire, beside eight that do: their rows are scaled up by 16, and no more."""
    weight = np.zeros((8, 8), np.float32)
    np.fill_diagonal(weight, [1, 1, 1, 1, 1, 1, 1e-4, 1e-4])
    text = akc.print_module(Building(8).dense(8).relu().dense(4).module())
    module = akc.parse(text)
    first, second = (op for op in module.net.ops if isinstance(op, nn.Dense))
    assert first.bias is not None
    weights = {
        **module.weights,
        first.weight: akc.ir.weights.Weight.of(weight, "f32"),
        first.bias: akc.ir.weights.Weight.of(np.zeros(8), "f32"),
        second.weight: akc.ir.weights.Weight.of(np.ones((4, 8)), "f32"),
    }
    module = evolve(module, weights=weights)
    samples = {"image": np.random.default_rng(0).uniform(0.5, 1, (64, 8)).astype(np.float32)}
    after = PASSES["equalize"]().run(module, context(samples=samples).of_pass(("samples",)))
    found = np.diag(after.array(first.weight)) / np.diag(weight)
    assert found.max() == 16.0 and found.min() < 2


def test_a_pool_may_move_by_one_cell_or_by_its_size() -> None:
    """Other steps are refused by what they are."""
    for stride, fits in ((1, True), (2, True), (3, False)):
        net = Building(8, 8, 4).conv(4, 3, pad=(1, 1, 1, 1)).relu()
        net.max_pool(2, stride, pad=(0, 0, 1, 1) if stride == 1 else (0, 0, 0, 0)).conv(4, 1).relu()
        said = ""
        try:
            PASSES["legalize"]().run(net.module(), context().of_pass(("host",)))
        except DiagnosticError as refused:
            said = str(refused)
        assert (f"a 2x2 max pool with stride [{stride}, {stride}]" in said) == (not fits), stride


@pytest.mark.parametrize("count", [0, 40])
def test_rates_without_samples_are_warned_of(count: int) -> None:
    module = spiking("snn.leaky(%fc1, beta=0.9, threshold=3.0, reset=zero)", out="")
    given = context(samples={"image": images(count, seed=7)} if count else None, input_range=(0.0, 1.0))
    PASSES["rate"]().run(module, given.of_pass(("samples",)))
    assert bool(given.warnings) == (count == 0)
