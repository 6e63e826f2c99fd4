# SPDX-License-Identifier: Apache-2.0
"""The chip's arithmetic by hand, and numpy against ONNX Runtime; tests/conformance compares with the SDK."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Array, Module
from akc.ir.ops.akida import Layer
from akc.ir.weights import Weight
from akc.sim.integer import LayerNumbers, activate, finisher, float_levels_are_exact, run_layer
from akc.sim.run import run
from tests.conformance import random_networks
from tests.sim.texts import dense, net, numbers

BACKENDS = ("numpy", "onnxruntime")


def chip(text: str, x: Array, shape: str, weights: str, result: str, backend: str) -> Array:
    module = net(f"%x: {shape}) -> {result}", f"  sequence @s0 {{\n    %y = {text} : {result}\n  }}", weights)
    return run(module, x, backend=backend)["y"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_levels_round_up_and_start_above_the_threshold(backend: str) -> None:
    """P is x itself, T = 2, act_step 1.5: 4-bit levels are 1.5 wide."""
    weights = '#w : i4[1, 1] = dec "1"\n#t : i32[1] = dec "2"\n#s : f32[1] = dec "1.5"'
    text = "akida.fully_connected(%x, weights=#w, threshold=#t, act_step=#s, act_bits=4)"
    x = np.arange(16, dtype=np.uint8).reshape(16, 1, 1, 1)
    levels = chip(text, x, "u4[1, 1, 1]", weights, "u4[1, 1, 1]", backend)
    np.testing.assert_array_equal(levels.ravel(), [0, 0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("bits", "expected"), [(1, [0, 1, 1, 1]), (2, [0, 1, 1, 2]), (4, [0, 1, 4, 6])])
def test_width_of_a_level_by_bits(backend: str, bits: int, expected: list[int]) -> None:
    """P - T is 0, 1, 6, 9 with act_step 1.5: a level is 1.5 (4 bits), 6 (2 bits) or anything above 0 (1 bit)."""
    weights = '#w : i4[1, 1] = dec "1"\n#t : i32[1] = dec "2"\n#s : f32[1] = dec "1.5"'
    text = f"akida.fully_connected(%x, weights=#w, threshold=#t, act_step=#s, act_bits={bits})"
    x = np.array([2, 3, 8, 11], np.uint8).reshape(4, 1, 1, 1)
    levels = chip(text, x, "u4[1, 1, 1]", weights, f"u{bits}[1, 1, 1]", backend)
    np.testing.assert_array_equal(levels.ravel(), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_act_step_counts_in_sixteenths(backend: str) -> None:
    x = np.arange(16, dtype=np.uint8).reshape(16, 1, 1, 1)
    for written, same_as in ((1.06, 1.0), (0.124, 0.0625)):
        results = []
        for step in (written, same_as):
            weights = f'#w : i4[1, 1] = dec "1"\n#s : f32[1] = dec "{step}"'
            text = "akida.fully_connected(%x, weights=#w, act_step=#s, act_bits=4)"
            results.append(chip(text, x, "u4[1, 1, 1]", weights, "u4[1, 1, 1]", backend))
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("backend", BACKENDS)
def test_dense_potentials_are_cut_to_20_bits_after_the_sum(backend: str) -> None:
    """20,000 inputs of 15 by 7 are 2.1 million; the same with the opposite sign besides cancel out."""
    large = np.full((1, 20000), 7)
    for weights, expected in (
        (large, 2**19 - 1),
        (-large, -(2**19)),
        (np.concatenate([large[:, :10000], -large[:, :10000]], 1), 0),
    ):
        payload = f'#w : i4[1, 20000] = dec "{numbers(weights)}"'
        text = "akida.fully_connected(%x, weights=#w, activation=false)"
        x = np.full((1, 1, 1, 20000), 15, np.uint8)
        assert chip(text, x, "u4[1, 1, 20000]", payload, "i32[1, 1, 1]", backend) == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_convolutions_are_cross_correlations(backend: str) -> None:
    """One bright cell paints the kernel turned around."""
    kernel = np.arange(9) % 7
    x = np.zeros((1, 5, 5, 1), np.uint8)
    x[0, 2, 1] = 1
    y = chip(
        "akida.convolutional(%x, weights=#w, activation=false)",
        x,
        "u1[5, 5, 1]",
        f'#w : i4[1, 3, 3, 1] = dec "{numbers(kernel)}"',
        "i32[5, 5, 1]",
        backend,
    )
    np.testing.assert_array_equal(y[0, 1:4, 0:3, 0], kernel.reshape(3, 3)[::-1, ::-1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_odd_padding_comes_after(backend: str) -> None:
    """Stride 2 on 4 cells with a 3-wide kernel reads cells 0..2 and 2..4, the last being padding."""
    x = np.array([1, 2, 4, 8], np.uint8).reshape(1, 4, 1, 1)
    y = chip(
        "akida.convolutional(%x, weights=#w, stride=[2, 1], activation=false)",
        x,
        "u4[4, 1, 1]",
        '#w : u1[1, 3, 1, 1] = dec "1 1 1"',
        "i32[2, 1, 1]",
        backend,
    )
    np.testing.assert_array_equal(y.ravel(), [7, 12])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_image_layer_sees_its_padding_value_outside(backend: str) -> None:
    y = chip(
        "akida.input_convolutional(%x, weights=#w, padding_value=100, activation=false)",
        np.zeros((1, 5, 5, 1), np.uint8),
        "u8[5, 5, 1]",
        '#w : i8[1, 3, 3, 1] = splat "1"',
        "i32[5, 5, 1]",
        backend,
    )
    np.testing.assert_array_equal(y[0, :3, :3, 0], [[500, 300, 300], [300, 0, 0], [300, 0, 0]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_average_pooling_is_a_sum_that_saturates_cell_by_cell(backend: str) -> None:
    """4500 is the plain sum of three cells; two cells of 571,500 stop at 2**19 - 1."""
    x = np.array([[15, 15], [15, 0]], np.uint8).reshape(1, 2, 2, 1)
    module = net(
        "%x: u4[2, 2, 1]) -> i32[1, 1, 1]",
        "  sequence @s0 {\n    %y = akida.convolutional(%x, weights=#w, pool=average, activation=false)"
        " : i32[1, 1, 1]\n  }",
        '#w : i8[1, 1, 1, 1] = dec "100"',
    )
    assert run(module, x, backend=backend)["y"] == 4500
    many = np.full((1, 1, 1, 300), 127)
    text = "akida.convolutional(%x, weights=#w, pool=average, activation=false)"
    bright = np.full((1, 2, 1, 300), 15, np.uint8)
    payload = f'#w : i8[1, 1, 1, 300] = dec "{numbers(many)}"'
    assert chip(text, bright, "u4[2, 1, 300]", payload, "i32[1, 1, 1]", backend) == 2**19 - 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_one_by_one_maximum_cuts_nothing(backend: str) -> None:
    payload = f'#w : i8[1, 1, 1, 300] = dec "{numbers(np.full(300, 127))}"'
    x = np.full((1, 2, 2, 300), 15, np.uint8)
    for size, expected, shape in (("[1, 1]", 571500, "i32[2, 2, 1]"), ("[2, 2]", 2**19 - 1, "i32[1, 1, 1]")):
        text = f"akida.convolutional(%x, weights=#w, pool=max, pool_size={size}, pool_stride={size}, activation=false)"
        assert (chip(text, x, "u4[2, 2, 300]", payload, shape, backend) == expected).all()


@pytest.mark.parametrize("step", [0.06, 2.0**24, float("inf"), float("nan")])
def test_steps_that_cannot_be_run(step: float) -> None:
    module = dense()
    weights = {**module.weights, "s": Weight.of(np.array([1, step], np.float32), "f32")}
    with pytest.raises(DiagnosticError, match="AKC0706"):
        run(evolve(module, weights=weights), np.zeros((1, 1, 1, 3), np.uint8))


@pytest.mark.parametrize("levels", [2, 4, 16])
def test_float_levels_are_those_of_whole_numbers(levels: int) -> None:
    """Steps of a sixteenth up to the largest, and potentials on both sides of each level."""
    random = np.random.default_rng(levels)
    steps = np.concatenate([np.arange(1, 65), random.integers(65, 2**20, 64)])
    threshold = random.integers(-(2**22), 2**22, len(steps))
    layer = next(op for op in dense().net.ops if isinstance(op, Layer))
    numbers = LayerNumbers(threshold=threshold, steps=steps, bound=2**23, levels=levels)
    assert float_levels_are_exact(numbers, numbers.bound)
    edges = threshold + steps * np.arange(levels + 1)[:, None] // levels
    near = (edges[:, None] + np.arange(-2, 3)[:, None]).reshape(-1, len(steps))
    potentials = np.concatenate([near, random.integers(-(2**23), 2**23, (500, len(steps)))]).clip(-(2**23), 2**23)
    found = finisher(layer, numbers, numbers.bound)(potentials.astype(np.float32))
    np.testing.assert_array_equal(found, activate(potentials, numbers))


def _layers(module: Module) -> list[Layer]:
    return [op for op in module.net.ops if isinstance(op, Layer)]


@pytest.mark.parametrize("kind", random_networks.CLASSES)
def test_torch_equals_numpy(kind: str) -> None:
    for seed, module in random_networks.networks(kind, 500, 8):
        value = module.net.inputs[0].type
        rng = np.random.default_rng(seed)
        x = rng.integers(0, (value.element.high or 0) + 1, (2, *value.shape)).astype(np.uint8)
        try:
            found = [run(module, x, keep=True, backend=backend) for backend in BACKENDS]
        except DiagnosticError:
            assert kind == "spoiled"
            continue
        for name in found[0]:
            np.testing.assert_array_equal(found[0][name], found[1][name])
        for op in _layers(module):
            np.testing.assert_array_equal(run_layer(op, found[0][op.x], module), found[0][op.name])
