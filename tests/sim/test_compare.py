# SPDX-License-Identifier: Apache-2.0
"""Comparing a quantised network with its source: counterparts, errors by hand, answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.sim.compare import compare, counterpart
from tests.sim.texts import net

X = np.array([[0.0, 0.5], [1.0, 1.0], [1.5, 0.25], [0.25, 2.0]], np.float32)


def source() -> Module:
    body = """  %a = nn.dense(%x, weight=#w1) : f32[3] from "fc1"
  %r = nn.relu(%a) : f32[3] from "relu1"
  %b = nn.dense(%r, weight=#w2) : f32[2] from "fc2"
  %y = nn.softmax(%b) : f32[2] from "softmax\""""
    weights = '#w1 : f32[3, 2] = dec "2 1 -1 3 1 -4"\n#w2 : f32[2, 3] = dec "1 -1 2 0 1 1"'
    return net("%x: f32[2]) -> f32[2]", body, weights)


def quantised(step: str = "8") -> Module:
    """The source with levels of 0.25 for the input and of step / 32 for the hidden values."""
    body = """  %q = host.quantize(%x, scale=0.25, bits=4) : u4[1, 1, 2]
  sequence @s0 {
    %h = akida.fully_connected(%q, weights=#w1, act_step=#s1, act_bits=4) : u4[1, 1, 3] from "fc1", "relu1"
    %p = akida.fully_connected(%h, weights=#w2, act_step=#s2, activation=false) : i32[1, 1, 2] from "fc2"
  }
  %d = host.decode(%p, act_step=#s2) : f32[2] from "fc2"
  %y = nn.softmax(%d) : f32[2] from "softmax\""""
    weights = (
        f'#w1 : i4[3, 2] = dec "2 1 -1 3 1 -4"\n#s1 : f32[3] = splat "{step}"\n'
        f'#w2 : i4[2, 3] = dec "1 -1 2 0 1 1"\n#s2 : f32[2] = splat "{32 / float(step) / 8}"'
    )
    return net("%x: f32[2]) -> f32[2]", body, weights)


def test_a_layer_is_matched_by_its_last_source_node_of_the_same_shape() -> None:
    ops = {op.name: op for op in quantised().net.ops}
    assert counterpart(ops["h"], source()).name == "r"  # type: ignore[union-attr]
    assert counterpart(ops["p"], source()).name == "b"  # type: ignore[union-attr]
    assert counterpart(ops["q"], source()) is None


def test_figures_by_hand() -> None:
    """With act_step 1 a hidden level is one potential, 1 / 4 of a float: the first layer is exact but for the top."""
    result = compare(quantised("1"), source(), X, np.array([0, 0, 0, 1]))
    by_name = {layer.name: layer for layer in result.layers}
    assert by_name["q"].relative_error == 0
    hidden = np.maximum(X @ [[2, -1, 1], [1, 3, -4]], 0)
    levels = np.minimum(hidden * 4, 15)
    factor = (hidden * levels).sum(0) / (levels**2).sum(0)
    expected = np.sqrt(((hidden - factor * levels) ** 2).sum() / (hidden**2).sum())
    assert by_name["h"].relative_error == pytest.approx(expected)
    in_levels = np.sqrt(((hidden / factor - levels) ** 2).mean())
    assert by_name["h"].level_error == pytest.approx(in_levels)
    assert by_name["h"].saturated == (levels == 15).mean()
    assert by_name["h"].levels_used == len(np.unique(levels))
    assert (by_name["h"].levels, by_name["h"].silent, by_name["h"].channels) == (16, 0, 3)
    assert by_name["p"].level_error is None
    float_last, last = (np.maximum(v, 0) @ [[1, 0], [-1, 1], [2, 1]] for v in (hidden, levels / 4))
    expected = np.sqrt(((float_last - last) ** 2).sum() / (float_last**2).sum())
    assert by_name["p"].relative_error == pytest.approx(expected)
    assert (result.samples, result.same_answers) == (4, 1.0)
    assert result.accuracy == result.source_accuracy


def test_saturation_silence_and_wrong_answers_show() -> None:
    fine, coarse = (compare(quantised(step), source(), X) for step in ("1", "0.0625"))
    assert coarse.layers[1].saturated > fine.layers[1].saturated  # type: ignore[operator]
    assert coarse.layers[1].level_error > fine.layers[1].level_error  # type: ignore[operator]
    assert coarse.output_error > fine.output_error  # type: ignore[operator]
    silent = compare(quantised("512"), source(), X * 0)
    assert silent.layers[1].silent == 3
    assert silent.layers[1].relative_error is None


def test_table_and_json(text_snapshot: SnapshotAssertion) -> None:
    result = compare(quantised("1"), source(), X, np.array([0, 0, 0, 1]))
    assert result.to_text() == text_snapshot(name="table")
    assert json.loads(json.dumps(result.to_dict()))["layers"][1]["counterpart"] == "r"


def test_a_network_without_chip_layers_is_refused() -> None:
    with pytest.raises(DiagnosticError, match="AKC0203"):
        compare(source(), source(), X)


def test_networks_with_other_answers_are_refused() -> None:
    other = net("%x: f32[2]) -> f32[1, 2]", "  %y = nn.reshape(%x, shape=[1, 2]) : f32[1, 2]")
    with pytest.raises(DiagnosticError, match="AKC0703"):
        compare(quantised(), other, X)


def test_spikes_over_time_are_compared_by_their_mean() -> None:
    spiking = net(
        "%x: f32[2]) -> f32[2]",
        """  %t = host.repeat(%x, steps=4) : f32[T=4, 2]
  %s = snn.leaky(%t, beta=0.5, threshold=1.0) : f32[T=4, 2] from "lif"
  %y = host.sum(%s) : f32[2]""",
    )
    chip = net(
        "%x: f32[2]) -> f32[2]",
        """  %q = host.quantize(%x, scale=0.25, bits=4) : u4[1, 1, 2]
  sequence @s0 {
    %h = akida.fully_connected(%q, weights=#w, act_bits=4) : u4[1, 1, 2] from "lif"
  }
  %y = host.dequantize(%h, scale=0.25) : f32[2]""",
        '#w : i4[2, 2] = dec "1 0 0 1"',
    )
    layer = compare(chip, spiking, X).layers[1]
    assert layer.counterpart == "s"
    assert layer.relative_error is not None
    assert layer.relative_error < 0.6
