# SPDX-License-Identifier: Apache-2.0
"""Edge learning in the simulator: whole networks, labels, seeds; the rule of a step is in the emulator's tests too."""

from __future__ import annotations

import numpy as np
import pytest

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected
from akc.passes.quantising.learn import Learn
from akc.sim.learning import fit, initial_state, learning_layer
from akc.sim.run import run
from tests.passes.building import context

RNG = np.random.default_rng(5)
PROTOTYPES = (RNG.random((4, 64)) < 0.3).astype(np.float32)


def samples(count: int, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of four patterns of 64 inputs, and which one each is."""
    rng = np.random.default_rng(count)
    labels = rng.integers(0, 4, count)
    flipped = rng.random((count, 64)) < noise
    return np.where(flipped, 1 - PROTOTYPES[labels], PROTOTYPES[labels]).astype(np.float32), labels


TEXT = """akir 1.0

net @patterns(%x: f32[64]) -> f32[8] {
  %levels = host.quantize(%x, scale=1.0, bits=1) : u1[1, 1, 64]
  sequence @s0 {
    %p = akida.fully_connected(%levels, weights=#w, activation=false) : i32[1, 1, 8]
  }
  %y = host.decode(%p) : f32[8]
  return %y
}

weights {
  #w : i4[8, 64] = splat "1"
}
"""


def network(**options: object) -> Module:
    """Two units for each of four classes, fresh."""
    options = {"num_weights": 19, "num_classes": 4, **options}
    return Learn(**options).run(akc.parse(TEXT), context())  # type: ignore[arg-type]


def test_patterns_are_learned() -> None:
    x, labels = samples(200)
    learned = fit(network(), x, labels)
    test, wanted = samples(101)
    found = run(learned, test)["y"].reshape(len(test), 4, 2).max(axis=2).argmax(axis=1)
    before = run(network(), test)["y"].reshape(len(test), 4, 2).max(axis=2).argmax(axis=1)
    assert (found == wanted).mean() == 1.0 > 0.6 > (before == wanted).mean()


def test_the_number_of_ones_stays_and_the_state_is_text() -> None:
    learned = akc.fit(network(), *samples(40))
    op = learning_layer(learned)
    assert (learned.array(op.weights).sum(axis=1) == 19).all()
    assert akc.parse(akc.print_module(learned)) == learned
    state = initial_state(learned, op)
    assert state.thresholds.max() > 0 and state.swaps.min() < 19


def test_learning_goes_on_from_the_state_in_the_text() -> None:
    """One sample at a time with the generator of each call; winners, thresholds and swaps do not depend on it."""
    x, labels = samples(30)
    whole = fit(network(initial_plasticity=0.0, min_plasticity=0.0), x, labels)
    parts = network(initial_plasticity=0.0, min_plasticity=0.0)
    for one, label in zip(x, labels, strict=True):
        parts = fit(parts, one[None], np.array([label]))
    assert parts == whole


def test_the_same_seed_gives_the_same_network() -> None:
    x, labels = samples(50)
    assert fit(network(), x, labels, seed=3) == fit(network(), x, labels, seed=3)
    assert fit(network(), x, labels, seed=3) != fit(network(), x, labels, seed=4)


def test_a_learned_network_is_built() -> None:
    learned = fit(network(), *samples(40))
    assert akc.build(learned).bytes != akc.build(network()).bytes


def test_labels_must_fit() -> None:
    x, labels = samples(10)
    with pytest.raises(DiagnosticError, match=r"AKC0703.*there are 10 samples and 9 labels"):
        fit(network(), x, labels[:9])
    with pytest.raises(DiagnosticError, match=r"AKC0703.*label 9 is none of the 4 classes"):
        fit(network(), x, labels + 6)


def test_a_network_that_does_not_learn() -> None:
    with pytest.raises(DiagnosticError, match="AKC0519"):
        fit(akc.parse(TEXT), samples(3)[0])


def test_only_the_last_layer_changes() -> None:
    before, after = network(), fit(network(), *samples(20))
    changed = [a for a, b in zip(before.net.ops, after.net.ops, strict=True) if a != b]
    assert [type(op) for op in changed] == [FullyConnected]
