# SPDX-License-Identifier: Apache-2.0
"""Running whole modules: inputs, raw runs, kept values, pieces, time, and what cannot be run."""

from __future__ import annotations

import numpy as np
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.sim import run as running
from akc.sim.run import Runner, run
from tests.sim.texts import dense, net

WEIGHTS = """#w : i4[2, 3] = dec "1 2 3 -1 0 7"
#t : i32[2] = dec "2 -3"
#s : f32[2] = dec "1.5 4"
"""


def whole() -> Module:
    """Floats in, floats out, two sequences and a softmax."""
    body = """  %q = host.quantize(%image, scale=0.5, bits=4) : u4[1, 1, 3]
  sequence @s0 {
    %h = akida.fully_connected(%q, weights=#w, threshold=#t, act_step=#s, act_bits=4) : u4[1, 1, 2]
  }
  sequence @s1 {
    %p = akida.fully_connected(%h, weights=#v, activation=false) : i32[1, 1, 2]
  }
  %d = host.decode(%p, threshold=#t, act_step=#s) : f32[2]
  %y = nn.softmax(%d) : f32[2] from "softmax\""""
    return net("%image: f32[3]) -> f32[2]", body, WEIGHTS + '#v : i4[2, 2] = dec "1 -2 3 4"')


IMAGE = np.array([[0.3, 1.2, 2.0], [9.0, -1.0, 0.75]], np.float32)
LEVELS = np.array([[1, 2, 4], [15, 0, 2]], np.uint8)
"""0.3 / 0.5 rounds to 1, 1.2 / 0.5 to 2; 9.0 is cut to 15; 0.75 / 0.5 = 1.5 rounds to even 2."""


def test_every_value_on_the_way() -> None:
    values = run(whole(), IMAGE, keep=True)
    np.testing.assert_array_equal(values["q"][:, 0, 0], LEVELS)
    potentials = LEVELS.astype(int) @ [[1, -1], [2, 0], [3, 7]]
    levels = np.clip(np.ceil((potentials - [2, -3]) / [1.5, 4]), 0, 15)
    np.testing.assert_array_equal(values["h"][:, 0, 0], levels)
    last = levels @ [[1, 3], [-2, 4]]
    np.testing.assert_array_equal(values["p"][:, 0, 0], last)
    np.testing.assert_allclose(values["d"], (last - [2, -3]) / [1.5, 4])
    np.testing.assert_allclose(values["y"].sum(1), 1, rtol=1e-6)
    assert set(values) == {"image", "q", "h", "p", "d", "y"}
    assert set(run(whole(), IMAGE)) == {"y"}


def test_raw_runs_take_and_give_the_chips_integers() -> None:
    found = run(whole(), LEVELS.reshape(2, 1, 1, 3), raw=True)
    assert list(found) == ["p"]
    assert found["p"].dtype == np.int32
    np.testing.assert_array_equal(found["p"], run(whole(), IMAGE, keep=True)["p"])
    by_name = run(whole(), {"q": LEVELS.reshape(2, 1, 1, 3)}, raw=True)
    np.testing.assert_array_equal(by_name["p"], found["p"])


def test_raw_runs_of_integer_inputs() -> None:
    x = LEVELS.reshape(2, 1, 1, 3)
    np.testing.assert_array_equal(run(dense(), x, raw=True)["y"], run(dense(), x)["y"])


def test_raw_needs_a_chip_layer() -> None:
    module = net("%x: f32[3]) -> f32[3]", "  %y = nn.relu(%x) : f32[3]")
    with pytest.raises(DiagnosticError, match="AKC0705"):
        run(module, np.zeros((1, 3), np.float32), raw=True)


def test_raw_needs_chip_inputs_only() -> None:
    """A layer whose input is made from floats on the host cannot be reached from chip integers."""
    body = """  %q = host.quantize(%x, scale=0.5, bits=4) : u4[1, 1, 3]
  sequence @s0 {
    %h = akida.fully_connected(%q, weights=#w, act_bits=4) : u4[1, 1, 2]
  }
  %f = host.dequantize(%h, scale=0.5) : f32[2]
  %g = host.add(%f, %z) : f32[2]
  %r = host.quantize(%g, scale=0.5, bits=4) : u4[1, 1, 2]
  sequence @s1 {
    %y = akida.fully_connected(%r, weights=#v, act_bits=4) : u4[1, 1, 2]
  }"""
    weights = WEIGHTS.splitlines()[0] + '\n#v : i4[2, 2] = dec "1 -2 3 4"'
    module = net("%x: f32[3], %z: f32[2]) -> u4[1, 1, 2]", body, weights)
    with pytest.raises(DiagnosticError, match=r"AKC0705.*%g needs %z"):
        run(module, np.zeros((1, 1, 1, 3), np.uint8), raw=True)


@pytest.mark.parametrize(
    ("array", "code", "text"),
    [
        (np.zeros((2, 4), np.float32), "AKC0703", r"%image takes \[batch, 3\], found \[2, 4\]"),
        (np.zeros(3, np.float32), "AKC0703", "the first axis is the batch"),
        (np.array([["a", "b", "c"]]), "AKC0703", "takes numbers"),
        (np.array([[0, np.nan, 0]]), "AKC0703", "NaN"),
        ({"picture": np.zeros((2, 3))}, "AKC0702", "there is no array for %image"),
    ],
)
def test_inputs_that_do_not_fit(array: object, code: str, text: str) -> None:
    with pytest.raises(DiagnosticError, match=f"(?s){code}.*{text}"):
        run(whole(), array)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.full((1, 1, 1, 3), 16), r"0 to 15 \(u4\), found 16 to 16"),
        (np.full((1, 1, 1, 3), -1), "found -1"),
        (np.full((1, 1, 1, 3), 0.5), "whole numbers"),
    ],
)
def test_integers_are_never_cut(array: np.ndarray, text: str) -> None:
    with pytest.raises(DiagnosticError, match=f"AKC0703.*{text}"):
        run(dense(), array)


def test_all_faulty_inputs_are_told_at_once() -> None:
    module = net("%x: f32[3], %z: f32[3]) -> f32[3]", "  %y = host.add(%x, %z) : f32[3]")
    with pytest.raises(DiagnosticError) as caught:
        run(module, {"x": np.zeros((1, 2))})
    assert [d.code for d in caught.value.diagnostics] == ["AKC0703", "AKC0702"]
    with pytest.raises(DiagnosticError, match="different numbers of samples"):
        run(module, {"x": np.zeros((1, 3)), "z": np.zeros((2, 3))})
    with pytest.raises(DiagnosticError, match="one array was given"):
        run(module, np.zeros((1, 3)))


def test_what_has_no_rule_is_named() -> None:
    module = net("%x: f32[3]) -> f32[3]", '  %y = nn.opaque(%x, op="LayerNorm") : f32[3] from "norm1"')
    with pytest.raises(DiagnosticError, match=r"(?s)AKC0704.*LayerNorm.*norm1"):
        run(module, np.zeros((1, 3), np.float32))


def test_large_batches_go_through_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(0, 3, (23, 3)).astype(np.float32)
    at_once = run(whole(), x, keep=True)
    monkeypatch.setattr(running, "CHUNK_BYTES", 5 * 65)
    in_pieces = run(whole(), x, keep=True)
    assert at_once.keys() == in_pieces.keys()
    for name, values in at_once.items():
        np.testing.assert_array_equal(values, in_pieces[name])


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0703.*no samples"):
        run(whole(), np.zeros((0, 3), np.float32))


def test_layers_without_memory_map_over_time() -> None:
    """Each of four steps is a sample of its own."""
    body = "  sequence @s0 {\n    %y = akida.fully_connected(%x, weights=#w, act_bits=4) : u4[T=4, 1, 1, 2]\n  }"
    timed = net("%x: u4[T=4, 1, 1, 3]) -> u4[T=4, 1, 1, 2]", body, WEIGHTS.splitlines()[0])
    still = net("%x: u4[1, 1, 3]) -> u4[1, 1, 2]", body.replace("T=4, ", ""), WEIGHTS.splitlines()[0])
    x = np.random.default_rng(0).integers(0, 16, (2, 4, 1, 1, 3)).astype(np.uint8)
    expected = run(still, x.reshape(8, 1, 1, 3))["y"].reshape(2, 4, 1, 1, 2)
    np.testing.assert_array_equal(run(timed, x)["y"], expected)


def test_a_runner_is_used_many_times() -> None:
    runner = Runner(whole(), "numpy")
    for _ in range(2):
        np.testing.assert_array_equal(runner.run(IMAGE)["y"], run(whole(), IMAGE, backend="onnxruntime")["y"])
    assert list(runner.run(LEVELS.reshape(2, 1, 1, 3), raw=True)) == ["p"]
    with pytest.raises(DiagnosticError, match="numpy, onnxruntime"):
        Runner(whole(), "jax")
