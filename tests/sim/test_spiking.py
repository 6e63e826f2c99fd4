# SPDX-License-Identifier: Apache-2.0
"""Running texts with a time axis: time operations, loops through host.previous, whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.ir.parser import parse
from akc.ir.verifier import verify
from akc.sim.run import run

HEAD = "akir 1.0\n\n"


def results(body: str, x: np.ndarray, weights: str = "") -> np.ndarray:
    """The only output of a text for one input."""
    module = parse(HEAD + body + (f"\nweights {{\n{weights}\n}}\n" if weights else ""))
    assert not verify(module)
    return next(iter(run(module, x).values()))


def test_repeat_and_sum() -> None:
    text = """net @n(%x: f32[3]) -> f32[3] {
  %t = host.repeat(%x, steps=4) : f32[T=4, 3]
  %y = host.sum(%t) : f32[3]
  return %y
}
"""
    x = np.array([[1, 2, 3], [0, -1, 0.5]], np.float32)
    np.testing.assert_array_equal(results(text, x), 4 * x)


def test_windows_cover_every_step_once() -> None:
    text = """net @n(%x: f32[T=10, 2]) -> f32[T=3, 2] {
  %y = host.window(%x, count=3) : f32[T=3, 2]
  return %y
}
"""
    x = np.arange(20, dtype=np.float32).reshape(1, 10, 2)
    y = results(text, x)
    np.testing.assert_array_equal(y.sum(1), x.sum(1))
    np.testing.assert_array_equal(y[0, 0], x[0, :3].sum(0))


def test_weighted_sum_is_a_table_over_time() -> None:
    text = """net @n(%x: f32[T=3, 2]) -> f32[2] {
  %y = host.sum(%x, weights=#g) : f32[2]
  return %y
}
"""
    x = np.zeros((1, 3, 2), np.float32)
    x[0, 1, 0] = x[0, 2, 1] = 1
    np.testing.assert_array_equal(results(text, x, '  #g : f32[3] = dec "3 2 1"'), [[2, 1]])


def test_feedback_loop_is_run_step_by_step() -> None:
    """U = U / 2 + x + 3 S of the step before, by hand."""
    text = """net @n(%x: f32[T=4, 1]) -> f32[T=4, 1] {
  %before = host.previous(%s) : f32[T=4, 1]
  %feedback = nn.affine(%before, scale=3.0) : f32[T=4, 1]
  %s = snn.rleaky(%x, %feedback, beta=0.5, reset=none) : f32[T=4, 1]
  %u = snn.rleaky(%x, %feedback, output=membrane, beta=0.5, reset=none) : f32[T=4, 1]
  return %u
}
"""
    x = np.array([[[1], [1], [0], [0]]], np.float32)
    # 1 (not above 1), 1.5 fires, 0.75 + 3 = 3.75 fires, 1.875 + 3 = 4.875
    np.testing.assert_array_equal(results(text, x).ravel(), [1, 1.5, 3.75, 4.875])


def test_neuron_without_time_axis_is_refused() -> None:
    with pytest.raises(DiagnosticError, match="has no time axis"):
        parse(
            HEAD
            + """net @n(%x: f32[3]) -> f32[3] {
  %y = snn.leaky(%x, beta=0.5) : f32[3]
  return %y
}
"""
        )
