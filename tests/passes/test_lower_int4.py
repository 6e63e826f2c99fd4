# SPDX-License-Identifier: Apache-2.0
"""Quantised networks: their text after every pass, their numbers beside the float network's."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, parse_pipeline, run_pipeline
from akc.ir.module import Module, Value
from akc.ir.ops import akida, host, nn, nn_host
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes import LEGALISE, LOWER
from akc.sim.run import run
from tests.passes.building import Building, context, images, outputs, sampled
from tests.passes.networks import REWRITES


def mlp() -> Module:
    """A dense network with normalised input and batch norm."""
    net = Building(1, 6, 6).affine(4.0, -0.5).flatten().dense(12).batch_norm().relu().dense(8).relu().dense(4)
    return net.add(nn.Softmax).module()


def cnn() -> Module:
    """Channels first, an image layer, a depthwise convolution with its activation, a max pool before dense."""
    net = Building(1, 12, 12).add(nn.Permute, order=(1, 2, 0)).conv(4, 3, pad=(1, 1, 1, 1)).batch_norm().relu()
    net.max_pool().conv(4, 3, groups=4, pad=(1, 1, 1, 1)).relu().conv(6, 1).relu().conv(6, 3).relu().max_pool()
    return net.add(nn.Permute, order=(2, 0, 1)).flatten().dense(5).module()


@pytest.mark.parametrize("make", [mlp, cnn])
def test_text_after_every_pass(make: object, akir_snapshot: SnapshotAssertion) -> None:
    """The default pipeline, without samples, pass by pass, where the text changed."""
    module = make()  # type: ignore[operator]
    assert module == akir_snapshot(name=f"{make.__name__}-00-input")  # type: ignore[attr-defined]
    calls = context()
    for one in parse_pipeline(LOWER):
        result = one.run(module, calls)
        if result is not module:
            assert result == akir_snapshot(name=f"{make.__name__}-{one.name}")  # type: ignore[attr-defined]
        module = result


SPATIAL = {
    "image": lambda d0, d1: Building(d0, d1, 1).conv(4, 3, pad=(1, 1, 1, 1)).relu(),
    "image-valid": lambda d0, d1: Building(d0, d1, 3).conv(4, 5).relu(),
    "image-strided": lambda d0, d1: Building(d0, d1, 1).conv(4, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu(),
    "image-pooled": lambda d0, d1: Building(d0, d1, 1).conv(4, 5, pad=(2, 2, 2, 2)).relu().max_pool(),
    "image-normalised": lambda d0, d1: Building(d0, d1, 1).affine(4.0, -1.0).conv(4, 3, pad=(1, 1, 1, 1)).relu(),
    "mesh": lambda d0, d1: Building(d0, d1, 2).conv(4, 3, pad=(1, 1, 1, 1)).relu(),
    "mesh-5x5": lambda d0, d1: Building(d0, d1, 2).conv(4, 5, pad=(2, 2, 2, 2)).relu(),
    "separable": lambda d0, d1: Building(d0, d1, 4).conv(4, 3, groups=4, pad=(1, 1, 1, 1)).conv(3, 1).relu(),
    "mesh-strided": lambda d0, d1: Building(d0, d1, 2).conv(4, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu(),
    "two-layers": lambda d0, d1: (
        Building(d0, d1, 2).conv(4, 3, pad=(1, 1, 1, 1)).relu().conv(3, 3, pad=(1, 1, 1, 1)).relu()
    ),
}


@pytest.mark.parametrize("size", [(9, 11), (10, 8), (9, 8), (8, 11)])
@pytest.mark.parametrize("case", SPATIAL)
def test_no_shift(case: str, size: tuple[int, int]) -> None:
    """Each cell of the quantised map is near the float map's, and no shifted map is nearer."""
    module = SPATIAL[case](*size).module()
    lowered = run_pipeline(module, LOWER, sampled(module, 128))
    x = images(module, 8)
    want, got = outputs(module, x), outputs(lowered, x)
    assert got.shape == want.shape

    def distance(other: np.ndarray) -> float:
        return float(((other - want) ** 2).mean() / (want**2).mean())

    assert distance(got) < 0.03
    for shift in (-1, 1):
        for axis in (1, 2):
            assert distance(np.roll(got, shift, axis)) > 3 * distance(got)


def test_border_cells_are_right() -> None:
    """The border of a normalised picture holds the level of zero: the outermost cells are as near as the others."""
    module = SPATIAL["image-normalised"](9, 9).module()
    lowered = run_pipeline(module, LOWER, sampled(module, 128))
    x = images(module, 16)
    lost = (outputs(module, x) - outputs(lowered, x)) ** 2
    inner = lost[:, 1:-1, 1:-1].mean()
    assert lost[:, 0].mean() < 2 * inner + 1e-9
    assert lost[:, -1].mean() < 2 * inner + 1e-9
    assert lost[:, :, 0].mean() < 2 * inner + 1e-9


def test_identity_keeps_levels() -> None:
    """insert-identity is exact in integers: what goes in comes out."""
    module = Building(8, 8, 4).conv(4, 3, pad=(1, 1, 1, 1)).relu().max_pool().flatten().dense(4).module()
    lowered = run_pipeline(module, LOWER, sampled(module, 256))
    values = run(lowered, {"image": images(module, 8)}, keep=True)
    layers = [op for op in lowered.net.ops if op.mnemonic == "akida.convolutional"]
    assert len(layers) == 2
    np.testing.assert_array_equal(values[layers[0].name], values[layers[1].name])


@pytest.mark.parametrize("samples", [True, False])
@pytest.mark.parametrize("case", ["five-by-five", "four", "wrong-phase"])
def test_strides_by_identities_keep_levels(case: str, samples: bool) -> None:
    """split-stride is exact in integers: behind the identity stand the levels of every second cell in front of it."""
    module = REWRITES["split-stride"][case]()
    lowered = run_pipeline(module, LOWER, sampled(module, 128) if samples else context())
    values = run(lowered, {"image": images(module, 8)}, keep=True)
    layers = [op for op in lowered.net.ops if isinstance(op, akida.Convolutional)]
    halves = [(a, b) for a, b in pairwise(layers) if b.stride == (2, 2)]
    assert len(halves) == (2 if case == "four" else 1)
    for whole, half in halves:
        d0, d1, _ = half.type.shape
        bordered = np.pad(values[whole.name], ((0, 0), (1, 3), (1, 3), (0, 0)))
        ways = [bordered[:, i::2, j::2][:, :d0, :d1] for i in range(4) for j in range(4)]
        assert any((way == values[half.name]).all() for way in ways)


@pytest.mark.parametrize("samples", [True, False])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_near_the_float_network(make: object, samples: bool) -> None:
    """Outputs follow the float network's, better with samples."""
    module = make()  # type: ignore[operator]
    lowered = run_pipeline(module, LOWER, sampled(module, 256) if samples else context())
    x = images(module, 64)
    want, got = outputs(module, x), outputs(lowered, x)
    correlation = np.corrcoef(want.ravel(), got.ravel())[0, 1]
    assert correlation > (0.95 if samples else 0.8)


@pytest.mark.parametrize(
    "options",
    [
        "weights=2",
        "weights=1",
        "activations=2",
        "activations=1",
        "input=2",
        "per=layer",
        "scale=max",
        "rounding=nearest",
        "rounding=error-feedback",
        "weights=2 activations=2 per=layer scale=max",
    ],
)
def test_options(options: str) -> None:
    """Every option gives a network that runs; the text says how many bits it has."""
    module = mlp()
    pipeline = LOWER.replace("lower-int4", f"lower-int4{{{options}}}")
    lowered = run_pipeline(module, pipeline, sampled(module))
    assert outputs(lowered, images(module)).shape == (4, 4)
    layers = [op for op in lowered.net.ops if op.mnemonic.startswith("akida")]
    if "activations=2" in options:
        assert {op.act_bits for op in layers[:-1]} == {2}  # type: ignore[attr-defined]
    if "weights=2" in options:
        assert {lowered.weights[op.weights].type.dtype for op in layers} == {"i2"}  # type: ignore[attr-defined]


def test_carried_shifts_survive_rounding() -> None:
    """The channel that carries a shift is rounded to levels like others, and the results stay near."""
    net = Building(12, 12, 1).conv(8, 3, pad=(1, 1, 1, 1)).relu().batch_norm().conv(8, 3, pad=(1, 1, 1, 1)).relu()
    module = net.flatten().dense(6).module()
    lowered = run_pipeline(module, LOWER, sampled(module, 256))
    x = images(module, 64)
    assert np.corrcoef(outputs(module, x).ravel(), outputs(lowered, x).ravel())[0, 1] > 0.98


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_calibrate_follows_lower_int4(bits: int) -> None:
    """The ranges are those for levels of the bits that lower-int4 makes, unless calibrate is told otherwise."""
    module = mlp()
    texts = [
        run_pipeline(module, LOWER.replace("calibrate,lower-int4", end), sampled(module))
        for end in (
            f"calibrate,lower-int4{{activations={bits}}}",
            f"calibrate{{bits={bits}}},lower-int4{{activations={bits}}}",
            f"calibrate{{bits={2 if bits == 4 else 4}}},lower-int4{{activations={bits}}}",
        )
    ]
    assert texts[0] == texts[1] != texts[2]


def test_signed_values_in_front_of_dense() -> None:
    """Two layers without an activation between them: levels span the signed range."""
    module = Building(6, 5, 1).flatten().dense(10).dense(4).module()
    lowered = run_pipeline(module, LOWER, sampled(module, 256))
    x = images(module, 64)
    assert np.corrcoef(outputs(module, x).ravel(), outputs(lowered, x).ravel())[0, 1] > 0.95


def test_relu_at_the_end_is_dequantized() -> None:
    """A net that ends in an activation gives its levels' values."""
    module = Building(6, 5, 1).flatten().dense(10).relu().module()
    lowered = run_pipeline(module, LOWER, sampled(module, 256))
    assert [op.mnemonic for op in lowered.net.ops][-1] == "host.dequantize"
    x = images(module, 16)
    assert np.abs(outputs(module, x) - outputs(lowered, x)).mean() < 0.1 * np.abs(outputs(module, x)).mean()


def test_global_average_is_a_sum_on_the_chip() -> None:
    """Threshold and act_step of an average layer count the cells of the map."""
    module = Building(9, 10, 2).conv(32, 3, pad=(1, 1, 1, 1)).relu().add(nn.Mean, axes=(0, 1)).dense(40).module()
    lowered = run_pipeline(module, LOWER, sampled(module, 128))
    assert any(getattr(op, "pool", "none") == "average" for op in lowered.net.ops)
    x = images(module, 32)
    assert np.corrcoef(outputs(module, x).ravel(), outputs(lowered, x).ravel())[0, 1] > 0.95


def _codes(fault: pytest.ExceptionInfo[DiagnosticError]) -> list[str]:
    return [d.code for d in fault.value.diagnostics]


def test_ranges_are_needed() -> None:
    """Without calibrate every value that becomes levels is named."""
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(mlp(), f"{LEGALISE},lower-int4", context())
    assert _codes(fault) == ["AKC0413"] * 3


def test_feedback_needs_samples() -> None:
    """rounding=error-feedback without samples is refused."""
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(mlp(), f"{LEGALISE},calibrate,lower-int4{{rounding=error-feedback}}", context())
    assert _codes(fault) == ["AKC0412"]


def test_samples_must_fit() -> None:
    """Samples of another shape are refused."""
    wrong = Context(samples={"image": np.zeros((4, 3, 3, 1), np.float32)})
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(mlp(), LOWER, wrong)
    assert _codes(fault) == ["AKC0410"]


def test_same_text_twice() -> None:
    """The same input gives the same network."""
    module = cnn()
    assert run_pipeline(module, LOWER, sampled(module)) == run_pipeline(module, LOWER, sampled(module))


@pytest.mark.parametrize("times", [5000.0, 4096.0, 1e27])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_large_results_are_scaled_exactly(kind: str, times: float) -> None:
    """A unit of potential that is worth more than 16 gives the decoder a power of two: nothing else changes."""
    net = Building(6, 5, 1)
    net = net.flatten().dense(10).relu().dense(4) if kind == "dense" else net.conv(4, 3).relu().conv(3, 1)
    name, weight = list(net.weights.items())[-1]
    if not name.endswith("weight"):
        name, weight = list(net.weights.items())[-2]
    net.weights[name] = Weight.of(weight.array * np.float32(times), "f32")
    module = net.module()
    lowered = run_pipeline(module, LOWER, sampled(module))
    (decode,) = [op for op in lowered.net.ops if isinstance(op, host.Decode)]
    steps = lowered.array(str(decode.act_step))
    assert decode.factor > 1 and 1 / 16 <= steps.min() <= 1 / 8
    x = np.random.default_rng(1).uniform(0, 1, (9, *module.net.inputs[0].type.shape)).astype(np.float32)
    potentials = run(lowered, x, keep=True)[decode.x] - lowered.array(str(decode.threshold)).astype(np.int64)
    exact = potentials.astype(np.float32) / steps
    found = run(lowered, x)[decode.name].reshape(exact.shape)
    np.testing.assert_array_equal(found, exact * np.float32(decode.factor))
    for backend in ("numpy", "onnxruntime"):
        np.testing.assert_array_equal(run(lowered, x, backend=backend)[decode.name].reshape(exact.shape), found)
    text = print_module(lowered)
    assert "factor=" in text and run(parse(text), x)[decode.name].tolist() == run(lowered, x)[decode.name].tolist()
    wanted = run(module, x)[decode.name]
    assert np.abs(found.reshape(wanted.shape) - wanted).max() < 0.2 * np.abs(wanted).max()


def test_a_factor_that_would_round() -> None:
    module = run_pipeline(mlp(), LOWER, sampled(mlp()))
    text = print_module(module)
    line = next(line for line in text.splitlines() if "host.decode" in line)
    for factor in ("3.0", "0.5", "0.0"):
        with pytest.raises(DiagnosticError, match=r"AKC0107.*power of two"):
            parse(text.replace(line, line.replace("host.decode(", f"host.decode(factor={factor}, ")))


def _allowed(net: Building) -> tuple[Module, Module]:
    module = net.module()
    calls = sampled(module, 128)
    calls.host = "allow"
    return module, run_pipeline(module, LOWER, calls)


HOSTED = {
    "windows-fitted-on-both-sides": (
        lambda: (
            Building(12, 12, 4)
            .conv(3, 2, pad=(0, 0, 1, 1))
            .relu()
            .conv(4, 9, pad=(4, 4, 4, 4))
            .relu()
            .conv(3, 2, pad=(1, 1, 0, 0))
            .relu()
            .flatten()
            .dense(4)
        ),
        ["conv2", "relu3"],
        2,
    ),
    "large-kernel-inside": (
        lambda: (
            Building(12, 12, 4)
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .conv(4, 9, pad=(4, 4, 4, 4))
            .relu()
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .flatten()
            .dense(4)
        ),
        ["conv2", "relu3"],
        2,
    ),
    "only-the-pool": (
        lambda: (
            Building(12, 12, 1).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool(3).conv(4, 1).relu().flatten().dense(4)
        ),
        ["max_pool2"],
        2,
    ),
    "sigmoid-inside": (lambda: Building(9).dense(5).add(nn.Sigmoid).dense(3), ["sigmoid1"], 2),
    "pool-in-front-of-the-host": (
        lambda: (
            Building(12, 12, 4)
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .max_pool()
            .conv(4, 9, pad=(4, 4, 4, 4))
            .relu()
            .flatten()
            .dense(4)
        ),
        ["max_pool2", "conv3", "relu4"],
        2,
    ),
}


@pytest.mark.parametrize("case", HOSTED)
def test_host_and_chip_together(case: str) -> None:
    """With --host=allow, what the chip cannot take stays a float op, and the numbers follow the float network."""
    make, kept, sequences = HOSTED[case]
    module, lowered = _allowed(make())
    host = [op.name for op in lowered.net.ops if op.mnemonic.startswith("nn.") and op.mnemonic != "nn.reshape"]
    assert host == kept
    assert len(lowered.net.sequences) == sequences
    x = images(module, 64)
    assert np.corrcoef(outputs(module, x).ravel(), outputs(lowered, x).ravel())[0, 1] > 0.95


def test_small_results_of_a_convolution() -> None:
    """The decoder of a last convolution keeps its act_step below 65536, at the price of coarser weights."""
    net = Building(6, 6, 4).conv(3, 3, pad=(1, 1, 1, 1))
    net.weights["conv0.weight"] = Weight.of(net.weights["conv0.weight"].array / 2**20, "f32")
    net.weights["conv0.bias"] = Weight.of(net.weights["conv0.bias"].array / 2**20, "f32")
    module = net.module()
    lowered = run_pipeline(module, LOWER, sampled(module))
    (layer,) = (op for op in lowered.net.ops if op.mnemonic == "akida.convolutional")
    assert lowered.array(layer.act_step).max() < 65536  # type: ignore[attr-defined]


def test_a_map_is_cut_at_the_end() -> None:
    """The host takes a part of the results, as it moves axes: no leave is needed."""
    net = Building(9, 9, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu()
    cut = nn_host.Slice(
        result=Value("cut", TensorType("f32", (7, 7, 3))), x=net.last.name, start=(1, 1, 0), stop=(8, 8, 3)
    )
    net.ops.append(cut)
    module = net.module()
    lowered = run_pipeline(module, LOWER, sampled(module))
    x = images(module, 32)
    assert np.corrcoef(outputs(module, x).ravel(), outputs(lowered, x).ravel())[0, 1] > 0.95
    again = net.conv(2, 1).module()
    with pytest.raises(DiagnosticError, match="slice") as fault:
        run_pipeline(again, LOWER, sampled(again))
    assert _codes(fault)[0] == "AKC0420"


def test_a_convolution_without_padding_at_the_end() -> None:
    """The chip's map is larger than the network's; the host cuts it, also without leave."""
    net = Building(9, 8, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().conv(5, 3).relu().conv(2, 3)
    module = net.module()
    x = images(module, 32)
    mappable = run_pipeline(module, LEGALISE, context())
    np.testing.assert_allclose(outputs(mappable, x), outputs(module, x), rtol=1e-5, atol=1e-5)
    lowered = run_pipeline(module, LOWER, sampled(module))
    (cut,) = (op for op in lowered.net.ops if isinstance(op, nn_host.Slice))
    assert (cut.type.shape, lowered.net.types[cut.x].shape) == ((5, 4, 2), (9, 8, 2))
    assert np.corrcoef(outputs(module, x).ravel(), outputs(lowered, x).ravel())[0, 1] > 0.95


def _wide() -> Module:
    """A 3x3 convolution over 512 channels, as in VGG-11, between others."""
    net = Building(6, 6, 4).conv(512, 1).relu().conv(8, 3, pad=(1, 1, 1, 1)).relu()
    return net.conv(3, 3, pad=(1, 1, 1, 1)).relu().module()


def test_a_filter_that_needs_two_bits() -> None:
    """The way out that the refusal names works: 2 bits in that layer alone."""
    with pytest.raises(DiagnosticError) as refused:
        akc.lower(_wide(), input_range=(0, 1))
    (fault,) = refused.value.diagnostics
    assert fault.code == "AKC0506"
    name = re.search(r"%(\S+):", fault.message).group(1)  # type: ignore[union-attr]
    option = re.search(r"'lower-int4\{(\w+)=NAME\}'", fault.help[0]).group(1)  # type: ignore[union-attr]
    lowered = akc.lower(_wide(), input_range=(0, 1), options={"lower-int4": {option: name}})
    assert [lowered.weights[op.weights].type.dtype for op in lowered.net.ops if isinstance(op, akida.Layer)] == [
        "i4",
        "i2",
        "i4",
    ]
    akc.build(lowered)


def test_two_bits_for_a_layer_that_is_not_there() -> None:
    """Every wrong name at once, each with one that is near."""
    with pytest.raises(DiagnosticError) as refused:
        akc.lower(_wide(), input_range=(0, 1), options={"lower-int4": {"two_bits": "relu33+zzz"}})
    assert [d.code for d in refused.value.diagnostics] == ["AKC0451", "AKC0451"]
    assert "did you mean relu3?" in str(refused.value) and "its layers are %relu1, %relu3" in str(refused.value)
