# SPDX-License-Identifier: Apache-2.0
"""merge-branches: the same numbers in one row of layers, over many shapes; and why some stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from akc.base.diagnostics import render_all
from akc.compiler.compiler import build
from akc.compiler.pipeline import Context, run_pipeline
from akc.devices.opening import open_device
from akc.ir.module import Module
from akc.ir.ops.nn_host import Add, Concat, Sub
from akc.ir.verifier import verify
from akc.passes import LOWER, PASSES
from akc.targets.akd1000 import TARGET
from tests.passes.branching import BRANCHES, LEFT, Branching, bottleneck, fire, inverted, residual, stem
from tests.passes.building import assert_same, context, images, sampled

MERGE = PASSES["merge-branches"]


def merged(module: Module) -> Module:
    """What the pass makes of a network, proved equal to it and without joins."""
    after: Module = MERGE().run(module, context())
    assert not [d for d in verify(after) if d.severity == "error"]
    assert not [op for op in after.net.ops if isinstance(op, Add | Concat | Sub)]
    assert all(len(after.net.uses(value)) < 2 for value in after.net.values)
    assert_same(module, after)
    return after


@pytest.mark.parametrize("name", BRANCHES)
def test_one_row_of_layers(name: str) -> None:
    """Nothing is read twice, nothing is joined, every cell is the same."""
    module = BRANCHES[name]().module()
    after = merged(module)
    assert after.net.outputs == module.net.outputs
    assert MERGE().run(after, context()) is after


def _random_residual(random: np.random.Generator) -> Branching:
    net = stem(int(random.integers(5, 11)), int(random.integers(2, 6)), seed=int(random.integers(99)))
    for _ in range(random.integers(1, 3)):
        stride, kernel = int(random.integers(1, 3)), int(random.choice([1, 3, 5]))
        residual(net, int(random.integers(2, 7)), stride, int(random.integers(2, 5)), kernel)
    return net


def _random_bottleneck(random: np.random.Generator) -> Branching:
    net = stem(int(random.integers(5, 11)), int(random.integers(2, 6)), seed=int(random.integers(99)))
    return bottleneck(net, int(random.integers(2, 8)), int(random.integers(1, 3)))


def _random_fires(random: np.random.Generator) -> Branching:
    net = stem(int(random.integers(5, 9)), seed=int(random.integers(99)))
    for _ in range(2):
        fire(net, *(int(n) for n in random.integers(1, 6, 3)))
    return net


def _random_depths(random: np.random.Generator) -> Branching:
    """Branches of different depths and kernels, joined along the channels."""
    net = stem(int(random.integers(5, 9)), seed=int(random.integers(99)))
    x, ends = net.here, []
    for _ in range(random.integers(2, 5)):
        net.back(x)
        for _ in range(random.integers(1, 4)):
            net.layer(int(random.integers(1, 5)), int(random.choice([1, 3, 5, 7])))
        ends.append(net.here)
    return net.back(ends[0]).concat(*ends[1:])


def _random_inverted(random: np.random.Generator) -> Branching:
    net = stem(int(random.integers(5, 9)), seed=int(random.integers(99))).linear(int(random.integers(2, 5)), 1)
    for _ in range(random.integers(1, 4)):
        inverted(net, int(random.integers(3, 9)))
    return net


RANDOM: dict[str, Callable[[np.random.Generator], Branching]] = {
    "residual": _random_residual,
    "bottleneck": _random_bottleneck,
    "fire": _random_fires,
    "depths": _random_depths,
    "inverted": _random_inverted,
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random_shapes(kind: str) -> None:
    """Sizes, widths, kernels, strides and depths at random."""
    for seed in range(12):
        merged(RANDOM[kind](np.random.default_rng(seed)).module())


@pytest.mark.parametrize("name", LEFT)
def test_what_does_not_fit_stays(name: str) -> None:
    """The very same network; the warning says why, where the reason is not another layer that only the host has."""
    make, words = LEFT[name]
    module, asked = make().module(), Context(host="allow")
    assert MERGE().run(module, asked) is module
    assert [w.code for w in asked.warnings] == ["AKC0450"] * bool(words)
    assert words in render_all(asked.warnings)


def test_the_user_may_leave_all_to_the_host() -> None:
    module = BRANCHES["residual"]().module()
    assert MERGE(to="host").run(module, context()) is module


def test_signed_values_are_carried_as_two() -> None:
    """Behind a layer without activation both sides go on, each 0 or more."""
    after = merged(BRANCHES["signed-start"]().module())
    widths = [op.type.shape[2] for op in after.net.ops if op.mnemonic == "nn.relu"]
    assert widths == [6, 8, 18, 18, 8, 16, 16, 5]


@pytest.mark.parametrize("name", BRANCHES)
def test_lowered_without_the_host(name: str) -> None:
    """One sequence; simulator and emulator agree."""
    source = BRANCHES[name]().module()
    module = run_pipeline(source, LOWER, sampled(source))
    program = build(module)
    assert len(program.sequences) == 1
    x = images(source, 2, seed=5)
    device = open_device("emulator")
    device.program(program)
    np.testing.assert_array_equal(np.asarray(device.predict(x)), np.asarray(program.run(x)))


@pytest.mark.parametrize(("name", "carried"), [("residual", [4]), ("residual-long", [4, 4]), ("fire", [])])
def test_the_report_names_the_price(name: str, carried: list[int]) -> None:
    """Filters that hand a channel on are counted in the placed text, whatever the passes behind made of them."""
    source = BRANCHES[name]().module()
    placed = build(run_pipeline(source, LOWER, sampled(source))).module
    (sequence,) = TARGET.report_facts(placed)["sequences"]
    assert [n for layer in sequence["layers"] if (n := layer["handed_on"])] == carried
    assert ("Filters that hand one channel on" in TARGET.report(placed)) == bool(carried)


def test_the_report_counts_crossings_and_work() -> None:
    """On the chip as a row of layers, less crosses than with the sum on the host."""
    source = residual(stem(), 5).module()
    ways = {}
    for to in ("chip", "host"):
        pipeline = LOWER.replace("merge-branches", f"merge-branches{{to={to}}}")
        asked = Context(samples={"image": images(source, 16)}, host="allow")
        ways[to] = TARGET.report_facts(build(run_pipeline(source, pipeline, asked), host="allow").module)["totals"]
    assert ways["chip"]["crossings"] == 2 < ways["host"]["crossings"]
    assert ways["chip"]["multiply_adds"] > ways["host"]["multiply_adds"]
