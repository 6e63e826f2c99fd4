# SPDX-License-Identifier: Apache-2.0
"""Passes that do not rewrite floats: calibrate, equalize, drop-lstm, legalize, merge-skipdma, place."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError, render_all
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module, Net, Value
from akc.ir.ops import nn, nn_recurrent
from akc.ir.types import TensorType
from akc.passes import LEGALISE, LOWER, PASSES
from akc.passes.placing.merge_skipdma import MergeSkipdma
from akc.passes.quantising.calibrate import CANDIDATES, Calibrate, Spread
from akc.passes.quantising.equalize import Equalize
from tests.passes.building import Building, assert_same, context, images, outputs, sampled


def dense() -> Module:
    """Two dense layers."""
    return Building(6, 5, 1).flatten().dense(8).relu().dense(4).module()


# -- calibrate -------------------------------------------------------------------------------------


def test_calibrate_max(akir_snapshot: SnapshotAssertion) -> None:
    """Ranges of all values, written into the text."""
    after = Calibrate(method="max").run(dense(), sampled(dense()))
    assert after == akir_snapshot(name="calibrate-after")
    x = images(dense(), 64, seed=2)
    top = np.maximum(x.reshape(64, -1) @ dense().array("fc1.weight").T + dense().array("fc1.bias"), 0).max()
    recorded = after.net.values["relu2"].range
    assert recorded is not None
    assert recorded[1] == pytest.approx(top, rel=1e-5)


def test_calibrate_methods_shrink() -> None:
    """mse and percentile keep less than everything."""
    tops = {
        method: Calibrate(method=method).run(dense(), sampled(dense(), 256)).net.values["relu2"].range[1]  # type: ignore[index]
        for method in ("max", "percentile", "mse")
    }
    assert tops["percentile"] < tops["max"]
    assert tops["mse"] <= tops["max"]


def test_calibrate_without_samples() -> None:
    """A warning says what was assumed; a promised range is used; bounds hold."""
    assumed = context()
    Calibrate().run(dense(), assumed)
    assert "[0, 1] (assumed)" in assumed.warnings[0].message
    promised = Context(input_range=(-1.0, 3.0))
    after = Calibrate().run(dense(), promised)
    assert after.net.inputs[0].range == (-1.0, 3.0)
    assert "promised" in promised.warnings[0].message
    values = [v.range for v in after.net.values.values()]
    assert all(r is not None and r[0] <= r[1] for r in values)


def test_recorded_input_range_is_believed() -> None:
    """A range in the text comes before the user's promise."""
    module = dense()
    ranged = evolve(module, net=evolve(module.net, inputs=(evolve(module.net.inputs[0], range=(0.0, 9.0)),)))
    calls = Context(input_range=(0.0, 1.0))
    assert Calibrate().run(ranged, calls).net.inputs[0].range == (0.0, 9.0)
    assert "as recorded" in calls.warnings[0].message


def test_pixels_are_recognised() -> None:
    """A small factor in front says that the input is bytes."""
    module = Building(6, 5, 1).affine(1 / 255, 0.0).flatten().dense(4).module()
    assert Calibrate().run(module, context()).net.inputs[0].range == (0.0, 255.0)


# -- equalize --------------------------------------------------------------------------------------

EQUALIZE = {
    "dense": dense,
    "conv": lambda: Building(6, 6, 2).conv(4, 3).relu().conv(3, 3).relu().flatten().dense(4).module(),
    "separable": lambda: (
        Building(6, 6, 2).conv(4, 3).relu().conv(4, 3, groups=4).conv(3, 1).relu().flatten().dense(4).module()
    ),
    "pooled": lambda: Building(8, 8, 2).conv(4, 3, pad=(1, 1, 1, 1)).max_pool().relu().conv(4, 1).relu().module(),
}


@pytest.mark.parametrize("case", EQUALIZE)
def test_equalize_keeps_the_numbers(case: str) -> None:
    """Scaling channels between layers is exact in real numbers, and changes weights."""
    module = run_pipeline(EQUALIZE[case](), LEGALISE, context())
    after = Equalize().run(module, sampled(module))
    assert after != module
    assert_same(module, after)


def test_equalize_needs_samples() -> None:
    """Without samples nothing changes."""
    assert Equalize().run(dense(), context()) == dense()


def test_equalize_leaves_clips() -> None:
    """A clipped activation does not let a factor through."""
    module = Building(6, 5, 1).flatten().dense(8).add(nn.Clip, low=0.0, high=6.0).dense(4).module()
    assert Equalize().run(module, sampled(module)) is module


def test_equalize_evens_channels() -> None:
    """Channels of very different size come nearer to each other."""
    module = dense()
    scales = 2.0 ** np.arange(-4, 4)
    weights = dict(module.weights)
    from akc.ir.weights import Weight

    weights["fc1.weight"] = Weight.of(np.abs(module.array("fc1.weight")) * scales[:, None], "f32")
    uneven = evolve(module, weights=weights)
    after = Equalize().run(uneven, sampled(uneven))

    def spread(m: Module) -> float:
        rows = np.abs(m.array("fc1.weight")).sum(axis=1)
        return float(rows.max() / rows.min())

    assert spread(after) < 0.3 * spread(uneven)


# -- drop-lstm -------------------------------------------------------------------------------------


def recurrent(kind: type[nn_recurrent.Recurrent], output: str, features: int = 5, hidden: int = 5) -> Module:
    """[7, features] -> recurrent layer -> dense."""
    net = Building(7, features)
    net.input = Value("sound", TensorType("f32", (7, features)))
    net.eighths("w_ih", (kind.gates * hidden, features))
    net.eighths("w_hh", (kind.gates * hidden, hidden))
    net.add(kind, "memory", w_ih="w_ih", w_hh="w_hh", output=output)
    if output == "all":
        net.flatten()
    return net.dense(3).module()


KINDS = {"lstm": nn_recurrent.Lstm, "gru": nn_recurrent.Gru, "rnn": nn_recurrent.Rnn}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", ["all", "last"])
@pytest.mark.parametrize("by", ["mean", "last"])
def test_drop_lstm(kind: str, output: str, by: str, akir_snapshot: SnapshotAssertion) -> None:
    """The layer is gone, a warning names it, what stands in computes what it says."""
    module = recurrent(KINDS[kind], output)
    calls = context()
    after = run_pipeline(module, f"drop-lstm{{by={by}}}", calls)
    assert kind.upper() in calls.warnings[0].message
    assert not any(isinstance(op, nn_recurrent.Recurrent) for op in after.net.ops)
    x = images(module)
    instead = x.reshape(4, -1) if output == "all" else x.mean(axis=1) if by == "mean" else x[:, -1]
    dense_op = [op for op in after.net.ops if isinstance(op, nn.Dense)][-1]
    want = instead @ after.array(dense_op.weight).T + after.array(str(dense_op.bias))
    np.testing.assert_allclose(outputs(after, x), want, atol=1e-5)
    if kind == "lstm":
        assert after == akir_snapshot(name=f"drop-lstm-{output}-{by}")


def test_lstm_is_refused_by_default() -> None:
    """The refusal names the layer and the way out."""
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(recurrent(nn_recurrent.Lstm, "last"), LEGALISE, context())
    text = render_all(fault.value.diagnostics)
    assert "AKC0421" in text
    assert "LSTM (%memory)" in text
    assert "drop-lstm{by=mean}" in text


def test_drop_lstm_needs_fitting_shapes() -> None:
    """With other numbers of features and hidden states there is nothing to put in its place."""
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(recurrent(nn_recurrent.Gru, "last", 5, 6), "drop-lstm{by=mean}", context())
    assert "GRU (%memory) turns 5 features into 6" in str(fault.value)


def test_dropped_network_goes_on() -> None:
    """A network without its LSTM lowers to the chip."""
    module = recurrent(nn_recurrent.Lstm, "last")
    lowered = run_pipeline(module, LOWER.replace("drop-lstm", "drop-lstm{by=last}"), sampled(module))
    assert any(op.mnemonic == "akida.fully_connected" for op in lowered.net.ops)


# -- legalize --------------------------------------------------------------------------------------

ILLEGAL = {
    "large-kernel": (lambda: Building(20, 20, 4).conv(3, 9, pad=(4, 4, 4, 4)).relu(), ["AKC0422"]),
    "stride-three": (
        lambda: Building(20, 20, 4).conv(4, 3, pad=(1, 1, 1, 1)).relu().conv(3, 3, stride=(3, 3)).relu(),
        ["AKC0422"],
    ),
    "pool-three": (
        lambda: Building(19, 19, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool(3).conv(3, 1).relu(),
        ["AKC0423"],
    ),
    "no-activation": (
        lambda: Building(9, 9, 4).conv(3, 3, pad=(1, 1, 1, 1)).conv(3, 3, pad=(1, 1, 1, 1)).relu(),
        ["AKC0424"],
    ),
    "sigmoid-inside": (lambda: Building(9).dense(5).add(nn.Sigmoid).dense(3), ["AKC0420"]),
    "late-norm": (lambda: Building(9, 9, 4).conv(3, 1).relu().batch_norm(), ["AKC0426"]),
    "two-faults": (
        lambda: Building(20, 20, 4).conv(3, 9, pad=(4, 4, 4, 4)).relu().conv(3, 9, pad=(4, 4, 4, 4)).relu(),
        ["AKC0422", "AKC0422"],
    ),
}


FIRST_LAYERS = {
    "dilation": lambda: Building(20, 20, 4).conv(3, 3, dilation=(4, 4)).relu(),
    "padding-behind-valid": lambda: Building(9, 9, 4).conv(3, 3).relu().conv(2, 3, pad=(1, 1, 1, 1)).relu().look(),
}
"""Windows of a first layer that no kernel of the chip has: the host hands them over as channels."""


@pytest.mark.parametrize("case", FIRST_LAYERS)
def test_first_layers_that_are_taken(case: str) -> None:
    module = FIRST_LAYERS[case]().module()
    assert_same(module, run_pipeline(module, LEGALISE, context()))


@pytest.mark.parametrize("case", ILLEGAL)
def test_refusals(case: str) -> None:
    """Each fault has its code, names the source's node and offers a way out."""
    make, codes = ILLEGAL[case]
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(make().module(), LEGALISE, context())
    found = fault.value.diagnostics
    assert [d.code for d in found] == codes
    assert all(d.origin and d.help for d in found)


def test_opaque_is_refused_by_its_own_name() -> None:
    """All faults at once, by the names that users know."""
    net = Building(9).dense(5)
    for name in ("LayerNorm", "GELU"):
        net.ops.append(
            nn.Opaque(result=Value(name.lower(), net.last.type), inputs=(net.last.name,), op=name, origin=(name,))
        )
    module = net.dense(3).module()
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(module, LEGALISE, context())
    assert [d.message.split()[0] for d in fault.value.diagnostics] == ["LayerNorm", "GELU"]


def test_branches_are_refused() -> None:
    """A value that two layers read is named with its readers."""
    net = Building(9).dense(5).relu()
    source = net.last.name
    module = net.dense(3).module()
    twice = net.ops[-1]
    again = evolve(twice, result=Value("other", twice.type))
    forked = evolve(module, net=evolve(module.net, statements=(*module.net.statements, again)))
    with pytest.raises(DiagnosticError) as fault:
        PASSES["legalize"]().run(forked, context())
    assert f"%{source} is read by" in str(fault.value)


def test_legal_networks_pass_unchanged() -> None:
    """legalize changes nothing."""
    module = dense()
    assert PASSES["legalize"]().run(module, context()) is module


# -- merge-skipdma and place -------------------------------------------------------------------------


def test_merge(akir_snapshot: SnapshotAssertion) -> None:
    """Three sequences become one."""
    module = Building(6, 5, 1).flatten().dense(8).relu().dense(8).relu().dense(4).module()
    before = run_pipeline(module, LOWER.removesuffix(",merge-skipdma"), context())
    assert [s.name for s in before.net.sequences] == ["s0", "s1", "s2"]
    after = MergeSkipdma().run(before, context())
    assert [len(s.ops) for s in after.net.sequences] == [3]
    assert before == akir_snapshot(name="merge-before")
    assert after == akir_snapshot(name="merge-after")
    x = images(module)
    np.testing.assert_array_equal(outputs(before, x), outputs(after, x))
    assert MergeSkipdma().run(after, context()) is after


def test_place_fills_every_layer() -> None:
    """Every layer has places after place."""
    placed = run_pipeline(dense(), f"{LOWER},place", context())
    assert all(op.at for s in placed.net.sequences for op in s.ops)  # type: ignore[attr-defined]


@pytest.mark.parametrize("samples", [True, False])
def test_calibrate_keeps_no_sign_behind_the_relu_between_the_halves_of_a_separable_layer(samples: bool) -> None:
    """The identity there hands on numbers below 0, which the ReLU takes away."""
    built = Building(6, 6, 3).conv(3, 3, groups=3, pad=(1, 1, 1, 1)).relu().conv(4, 1).relu().module()
    split = run_pipeline(built, LEGALISE, context())
    after = Calibrate().run(split, sampled(split) if samples else context())
    relus = [op for op in after.net.ops if isinstance(op, nn.Relu)]
    assert len(relus) == 2
    assert all(op.result.range is not None and op.result.range[0] == 0 for op in relus)


def test_calibrate_without_samples_where_a_clip_is_always_reached() -> None:
    """Means estimated above a clip are cut to it, so that no range ends before it starts."""
    x = Value("x", TensorType("f32", (4,)))
    clip = nn.Clip(x="x", high=0.5, result=evolve(x, name="y"))
    net = Net(name="n", inputs=(x,), statements=(clip,), outputs=("y",), output_types=(x.type,))
    after = Calibrate().run(Module(net=net), Context(input_range=(0.9, 1.0)))
    recorded = after.net.values["y"].range
    assert recorded is not None
    assert recorded[0] <= recorded[1] == 0.5


@pytest.mark.parametrize("levels", [1, 3, 15])
def test_the_top_with_the_least_error(levels: int) -> None:
    """Read off sums, it is the one that rounding every value finds."""
    values = np.random.default_rng(levels).gamma(1.5, 2.0, 5000).astype(np.float32)
    high = float(values.max())
    tried = []
    for share in CANDIDATES:
        step = high * share / levels
        tried.append(float(((values - np.clip(np.rint(values / step), 0, levels) * step) ** 2).mean()))
    assert Spread.of(values).least_error_top(levels) == high * float(CANDIDATES[int(np.argmin(tried))])
