# SPDX-License-Identifier: Apache-2.0
"""The simulator's integers are the SDK's, bit for bit: `forward`, every layer on the way, and `predict`."""

from __future__ import annotations

from collections.abc import Iterator

import akida
import numpy as np
import pytest
from attrs import evolve

from akc.ir.module import Module
from akc.ir.ops.akida import InputConvolutional
from akc.sim.run import Runner, run
from tests.conformance import random_networks, software_networks, vendor
from tests.conformance.arithmetic import check_forward, check_predict
from tests.conformance.random_networks import samples

pytestmark = pytest.mark.conformance

PER_CLASS = 25
"""Networks of each class that the chip maps; with the 400 of software_networks over 500 in all."""


def chip_networks() -> Iterator[tuple[int, Module]]:
    """Networks of every class of random_networks."""
    for kind in random_networks.CLASSES:
        yield from random_networks.networks(kind, 1000, PER_CLASS)


@pytest.mark.parametrize("kind", random_networks.CLASSES)
def test_networks_for_the_chip(kind: str) -> None:
    compared = 0
    for seed, module in random_networks.networks(kind, 1000, PER_CLASS):
        try:
            model = vendor.to_akida(module)
        except ValueError:
            assert kind == "spoiled"
            continue
        check_forward(module, seed, model)
        check_predict(module, seed, model)
        compared += 1
    assert compared >= (PER_CLASS if kind != "spoiled" else PER_CLASS // 2)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_networks_that_only_the_simulator_runs(first: int) -> None:
    for seed, module in software_networks.networks(first * 100, 50):
        model = vendor.to_akida(module)
        check_forward(module, seed, model)
        check_predict(module, seed, model)
        bare = software_networks.without_activation(module)
        if bare is not None:
            model = vendor.to_akida(bare)
            check_forward(bare, seed, model)
            check_predict(bare, seed, model)


def test_every_layer_on_the_way() -> None:
    for seed, module in random_networks.networks("mixed", 2000, 15):
        x = samples(module, seed)
        values = Runner(module, "onnxruntime").run(x, keep=True)
        ops = list(module.net.ops)
        for count in range(1, len(ops) + 1):
            part = module.with_statements(
                ops[:count], outputs=(ops[count - 1].name,), output_types=(ops[count - 1].type,)
            )
            np.testing.assert_array_equal(values[ops[count - 1].name], vendor.to_akida(part).forward(x))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_levels_of_every_step(bits: int) -> None:
    """One unit a step, potentials from far below to far above the threshold."""
    units = 256
    steps = np.concatenate([np.arange(1, 129) / 16, np.geomspace(8.1, 65535, 128)]).astype(np.float32)
    rng = np.random.default_rng(bits)
    net = random_networks.NetBuilder(rng, (1, 1, 40), "u4")
    net.dense(units, "i4", act_bits=bits)
    op = evolve(net.ops[0], threshold="t", act_step="s")
    weights = {
        **net.module().weights,
        "t": random_networks.Weight.of(rng.integers(-50, 50, units), "i32"),
        "s": random_networks.Weight.of(steps, "f32"),
    }
    module = net.module().with_statements([op], weights)
    x = rng.integers(0, 16, (300, 1, 1, 40)).astype(np.uint8)
    np.testing.assert_array_equal(run(module, x)[op.name], vendor.to_akida(module).forward(x))


def test_classes_hold_all_five_layers() -> None:
    kinds = {type(op).__name__ for _, module in chip_networks() for op in module.net.ops}
    assert kinds == {"InputConvolutional", "Convolutional", "SeparableConvolutional", "FullyConnected"}
    assert any(not isinstance(next(module.net.ops), InputConvolutional) for _, module in chip_networks())
    assert akida.__version__ == "2.19.3"
