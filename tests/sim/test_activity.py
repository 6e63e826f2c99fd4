# SPDX-License-Identifier: Apache-2.0
"""Events and synaptic operations, counted once more one by one, and told apart by the place that does them."""

from __future__ import annotations

import numpy as np
import pytest

from akc.ir.module import Array, Module
from akc.ir.ops.akida import Layer
from akc.sim.activity import measure
from akc.sim.run import run
from akc.targets.akd1000 import TARGET
from tests.targets.akida1.chips import network

GEOMETRIES = {
    "same": ("convolution", 6, 3, "i4"),
    "stride": ("convolution", 6, 3, "i4", {"stride": (2, 2)}),
    "valid": ("convolution", 6, 5, "i4", {"padding": "valid"}),
    "separable": ("separable", 6, 3, "i4"),
    "dense": ("dense", 12, "i4"),
}


def _samples(shape: tuple[int, ...], count: int = 3) -> Array:
    """Levels, most of them 0."""
    generator = np.random.default_rng(1)
    return np.where(generator.random((count, *shape)) < 0.3, generator.integers(1, 16, (count, *shape)), 0)


def _one_by_one(module: Module, levels: Array) -> float:
    """Synaptic operations of the only layer, by walking over every output, tap and channel."""
    (op,) = (op for op in module.net.ops if isinstance(op, Layer))
    shape = module.weights[op.weights].type.shape
    if len(shape) == 2:
        return float((levels != 0).sum() * shape[0]) / len(levels)
    separable, filters = len(shape) == 3, op.type.shape[2]
    kernel, step, same = shape[1:3], op.stride, op.padding == "same"  # type: ignore[attr-defined]
    size = levels.shape[1:3]
    outputs = [-(-n // s) if same else (n - k) // s + 1 for n, k, s in zip(size, kernel, step, strict=True)]
    before = [max((o - 1) * s + k - n, 0) // 2 if same else 0 for o, s, k, n in zip(outputs, step, kernel, size)]
    total = 0
    for sample in levels:
        for o in np.ndindex(*outputs):
            low = [o[a] * step[a] - before[a] for a in (0, 1)]
            rows, columns = (slice(max(low[a], 0), low[a] + kernel[a]) for a in (0, 1))
            window = sample[rows, columns] != 0
            total += int(window.sum()) if separable else int(window.sum()) * filters
            total += int(window.any(axis=(0, 1)).sum()) * filters if separable else 0
    return total / len(levels)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_operations_are_those_of_a_plain_count(name: str) -> None:
    module = network((11, 9, 4), "u4", GEOMETRIES[name])
    levels = _samples((11, 9, 4))
    (layer,) = measure(module, levels).layers
    assert layer.operations == pytest.approx(_one_by_one(module, levels))
    assert layer.events == pytest.approx((levels != 0).sum() / len(levels))
    assert layer.sparsity == pytest.approx(float((next(iter(run(module, levels).values())) == 0).mean()))


def test_the_places_of_a_layer_share_its_operations() -> None:
    """Tiles and pieces of filters: what all do together is what the layer does."""
    module = TARGET.place(network((40, 20, 4), "u4", ("convolution", 64, 3, "i4", {"stride": (2, 2)})))
    (op,) = (op for op in module.net.ops if isinstance(op, Layer))
    assert len({(str(p.d0), str(p.d1)) for p in op.at}) > 1 and len({str(p.filters) for p in op.at}) > 1
    (layer,) = measure(module, _samples((40, 20, 4))).layers
    assert len(layer.places) == len(op.at) and sum(layer.places) == pytest.approx(layer.operations)
    assert layer.slowest == max(layer.places)


def test_places_that_repeat_a_depthwise_half_all_count_it() -> None:
    module = TARGET.place(network((8, 8, 4), "u4", ("separable", 64, 3, "i4")))
    (layer,) = measure(module, _samples((8, 8, 4))).layers
    assert len(layer.places) > 1 and sum(layer.places) > layer.operations


def test_without_a_spike_nothing_is_done_but_by_the_image_layer() -> None:
    module = TARGET.place(network((16, 16, 1), "u8", ("image", 6, 5), ("convolution", 4, 3, "i4"), ("dense", 3, "i4")))
    activity = measure(module, np.zeros((2, 16, 16, 1), np.uint8))
    image, *_ = activity.layers
    inside = 16 * 5 - 2 * (2 + 1)  # pairs of a window and a pixel under it, along an axis
    assert image.events == 0 and image.operations == inside * inside * 6
    assert image.slowest is None and "%n1" in activity.to_text()


def test_levels_that_are_used_are_counted() -> None:
    module = TARGET.place(network((1, 1, 4), "u4", ("dense", 3, "i4")))
    levels = np.array([[[[0, 0, 0, 0]]], [[[0, 0, 0, 1]]], [[[15, 15, 15, 15]]]])
    found = next(iter(run(module, levels).values()))
    (layer,) = measure(module, levels).layers
    assert (layer.levels_used, layer.levels) == (len(np.unique(found)), 16)
    assert layer.saturated == pytest.approx(float((found == 15).mean()))


def test_the_most_work_is_that_of_the_report() -> None:
    """Without samples a place's work is its products with every input at work; together they are the layer's."""
    module = TARGET.place(network((40, 20, 4), "u4", ("convolution", 64, 3, "i4"), ("dense", 10, "i4")))
    for layer in TARGET.report_facts(module)["sequences"][0]["layers"]:
        assert sum(place["multiply_adds"] for place in layer["places"]) == layer["multiply_adds"]
