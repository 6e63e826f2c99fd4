# SPDX-License-Identifier: Apache-2.0
"""Edge learning: each step of the SDK's `fit` is one that the simulator could have taken, and programs are equal.

Which ones move is drawn by chance. So each step starts from the SDK's own state: winner, threshold, swaps and
the number of ones that moved must be equal, and those that moved must be ones that may.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import akida  # noqa: F401  (the comparison is void without it)
import numpy as np
import pytest
from attrs import evolve

from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected
from akc.passes.quantising.learn import Learn
from akc.sim.learning import State, classes, initial_state, learn, learning_layer, limits
from tests.conformance import random_networks, vendor, ways
from tests.passes.building import context

pytestmark = pytest.mark.conformance

NETWORKS, STEPS = 40, 12


def _state(model: Any, name: str, op: FullyConnected) -> State:
    layer = model.get_layer(name)
    assert op.learning is not None
    return State(
        weights=np.asarray(layer.get_variable("weights"))[0, 0].T.astype(np.uint8),
        thresholds=np.asarray(layer.get_variable("threshold_learning")).astype(np.int32),
        swaps=np.asarray(layer.get_variable("thswap")).astype(np.int32),
        classes=classes(op.type.shape[-1], op.learning.num_classes),
    )


def _lone(module: Module) -> Module:
    """The learning layer alone, on flat 1-bit inputs."""
    op = learning_layer(module)
    kept = [one for one in module.net.ops if one.name == op.name]
    value = next(v for v in [*module.net.inputs, *(o.result for o in module.net.ops)] if v.name == op.x)
    return evolve(module, net=evolve(module.net, inputs=(value,))).with_statements(kept)


def test_each_step_is_one_of_the_simulators() -> None:
    seen: Counter[str] = Counter()
    for seed in range(NETWORKS):
        rng = np.random.default_rng(seed)
        module = _lone(random_networks.network("learning", seed))
        op = learning_layer(module)
        if op.type.shape[-1] > 400:
            continue
        assert op.learning is not None
        model, bounds = vendor.to_akida(module), limits(op.learning)
        for _ in range(STEPS):
            levels = (rng.random(module.net.inputs[0].type.size) < rng.uniform(0.1, 0.9)).astype(np.uint8)
            label = int(rng.integers(-1, op.learning.num_classes))
            before = _state(model, op.name, op)
            model.fit(levels.reshape(1, 1, 1, -1), *([label] if label >= 0 else []))
            theirs = _state(model, op.name, op)
            ours = learn(before, levels, label + 1, bounds, rng)
            _same_step(before, ours, theirs, levels, (seed, label))
            moved = int((theirs.weights != before.weights).sum()) // 2
            seen["nothing" if ours is before else "moved" if moved else "decayed only"] += 1
    print(dict(seen))
    assert min(seen["nothing"], seen["moved"]) > 10 and seen["decayed only"]


def _same_step(before: State, ours: State, theirs: State, levels: np.ndarray, label: object) -> None:
    np.testing.assert_array_equal(ours.thresholds, theirs.thresholds, err_msg=str(label))
    np.testing.assert_array_equal(ours.swaps, theirs.swaps, err_msg=str(label))
    changed = [(state.weights != before.weights) for state in (ours, theirs)]
    np.testing.assert_array_equal(changed[0].sum(axis=1), changed[1].sum(axis=1), err_msg=str(label))
    gone = (before.weights == 1) & (theirs.weights == 0)
    come = (before.weights == 0) & (theirs.weights == 1)
    assert not (gone & (levels == 1)).any() and not (come & (levels == 0)).any(), label
    assert (gone.sum(axis=1) == come.sum(axis=1)).all(), label


def test_a_fresh_layer_starts_as_the_sdks() -> None:
    for seed in range(10):
        module = _lone(random_networks.network("learning", seed))
        op = learning_layer(module)
        fresh = module.map_ops(lambda one: evolve(one, threshold_learning=None, thswap=None))  # type: ignore[call-arg]
        theirs = _state(vendor.to_akida(fresh), op.name, op)
        ours = initial_state(fresh, learning_layer(fresh))
        for key in ("weights", "thresholds", "swaps"):
            np.testing.assert_array_equal(getattr(ours, key), getattr(theirs, key))


@pytest.mark.parametrize("kind", ["dense", "mixed", "image"])
def test_layers_that_pass_learn_made_give_the_sdks_bytes(kind: str) -> None:
    proved = 0
    for seed in range(40):
        module = random_networks.in_one_sequence(random_networks.network(kind, seed))
        last = module.net.ops and list(module.net.ops)[-1]
        if not isinstance(last, FullyConnected) or module.net.producer(last.x) is None:
            continue
        units, inputs = module.weights[last.weights].type.shape
        options = {"num_weights": max(1, inputs // 3), "num_classes": 2 if units % 2 == 0 else 1, "seed": seed}
        made = Learn(**options).run(module, context())  # type: ignore[arg-type]
        flat = made.with_statements(list(made.net.ops))
        found = ways.placed_by("vendor")(flat, seed)
        assert found.ours == found.theirs, (kind, seed)
        proved += found.ours is not None
    print(f"{kind}: {proved} learning layers made, identical")
    assert proved >= 5
