# SPDX-License-Identifier: Apache-2.0
"""Reading .fbz files: what comes back, and what every kind of bad file is told."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.fbz import schema, to_buffer, write, writer
from akc.fbz.layers import FileLayer
from akc.fbz.reading import read
from akc.fbz.schema import LayerKind
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.ir.ops.akida import Layer
from akc.ir.verifier import verify
from akc.sim.run import run
from tests.conformance import random_networks
from tests.fbz.models import Change, learner, packed, parameters, small, spoiled, variable, without


def test_the_module_comes_back(akir_snapshot: SnapshotAssertion) -> None:
    found = read(write(small()), "some dir/net.fbz")
    assert not verify(found)
    assert level_of(found) == "quantised"
    assert found == akir_snapshot(name="read")
    x = np.random.default_rng(0).integers(0, 16, (5, 4, 2, 1)).astype(np.uint8)
    np.testing.assert_array_equal(run(found, x)["output"], run(small(), x)["y"])


def test_learning_comes_back() -> None:
    found = read(write(learner()))
    (op,) = found.net.ops
    (old,) = learner().net.ops
    assert op.learning == old.learning  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found.array("y.thswap"), [2, 2, 2, 2])


@pytest.mark.parametrize("kind", [kind for kind in random_networks.CLASSES if kind != "spoiled"])
def test_writing_again_gives_the_same_file(kind: str) -> None:
    for _, module in random_networks.networks(kind, 700, 6):
        data = write(module)
        assert write(read(data)) == data


def test_filler_of_any_kind_is_left_alone() -> None:
    data = write(small())
    for filler in (b"", b"\0" * 100, b"\x01\x02\x03", data):
        assert read(data + filler) == read(data)


def test_literals_only_are_a_block_too() -> None:
    buffer = to_buffer(small())
    size = bytes([len(buffer) & 0x7F | 0x80, len(buffer) >> 7])
    literal = bytes([61 << 2]) + struct.pack("<H", len(buffer) - 1) + buffer
    assert read(size + literal) == read(packed(buffer))


def test_left_out_variables_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"weights": 0, "threshold": 0, "act_step": 1}
    for name, number in expected.items():
        found = read(spoiled(monkeypatch, 1, without(name)))
        assert (found.array(f"conv_1.{name}") == number).all()


BAD_LAYERS: dict[str, tuple[int, Change]] = {
    "AKC0344-unknown-layer": (1, lambda layer: evolve(layer, kind=LayerKind(17, "New", (), (), None))),
    "AKC0344-input-amid": (1, lambda layer: evolve(layer, kind=schema.INPUT_DATA)),
    "AKC0344-no-input": (0, lambda layer: evolve(layer, kind=schema.KIND_OF_CODE[3])),
    "AKC0344-same-name": (2, lambda layer: evolve(layer, name="conv/1")),
    "AKC0345-no-such-parameter": (1, parameters(dilation=1)),
    "AKC0345-missing-parameter": (1, parameters(stride_x=None, filters=None)),
    "AKC0345-same-upper": (1, parameters(padding=2)),
    "AKC0345-even-kernel": (1, parameters(kernel_width=4)),
    "AKC0345-eight-bit-input": (0, parameters(input_bits=8, input_signed=1)),
    "AKC0345-act-bits": (2, parameters(act_bits=3)),
    "AKC0345-weights-bits": (2, parameters(weights_bits=5)),
    "AKC0345-pool-size": (1, parameters(pool_type=1)),
    "AKC0345-pool-type": (1, parameters(pool_type=7)),
    "AKC0345-filters": (1, parameters(filters=3)),
    "AKC0345-weight-range": (1, variable("weights", data=np.full((3, 3, 1, 2), -8, np.int8))),
    "AKC0345-element-type": (1, variable("threshold", dtype="f32")),
    "AKC0345-step": (2, variable("act_step", data=np.full(3, np.inf, np.float32))),
    "AKC0345-shape": (2, variable("weights", shape=(3, 4, 2, 1))),
    "AKC0345-layout": (2, variable("weights", layout=2)),
    "AKC0345-unknown-variable": (2, variable("act_step", name="weights_pw")),
    "AKC0345-too-few-bytes": (2, variable("act_step", data=np.ones(2, np.float32))),
    "AKC0341-no-name": (1, lambda layer: evolve(layer, name="")),
}


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_bad_layer(name: str, monkeypatch: pytest.MonkeyPatch, text_snapshot: SnapshotAssertion) -> None:
    index, change = BAD_LAYERS[name]
    with pytest.raises(DiagnosticError, match=name[:7]) as caught:
        read(spoiled(monkeypatch, index, change), "net.fbz")
    assert str(caught.value) == text_snapshot(name=name)


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(layer: FileLayer) -> FileLayer:
        return parameters(act_bits=3, padding=2, kernel_height=2)(layer)

    with pytest.raises(DiagnosticError) as caught:
        read(spoiled(monkeypatch, 1, change))
    assert len(caught.value.diagnostics) == 3
    assert {d.origin for d in caught.value.diagnostics} == {("conv/1",)}


def test_branches_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    original = writer._layer
    monkeypatch.setattr(writer, "_layer", lambda builder, layer, inbound: original(builder, layer, inbound and "x"))
    data = packed(to_buffer(small()))
    with pytest.raises(DiagnosticError, match="reads 'x', not the layer before it"):
        read(data)


def test_learning_is_for_one_bit_dense_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    data = spoiled(monkeypatch, 1, parameters(weights_bits=2), learner())
    with pytest.raises(DiagnosticError, match=r"AKC0345.*1-bit weights"):
        read(data)


FILES = {
    "AKC0340-empty": b"",
    "AKC0340-text": b"this is no model\n",
    "AKC0340-flatbuffer-without-packing": to_buffer(small()),
    "AKC0340-cut": write(small())[:500],
    "AKC0340-huge": b"\xff\xff\xff\xff\x7f" + bytes(100),
    "AKC0341-no-flatbuffer": packed(b"\xff" * 640),
    "AKC0341-short-flatbuffer": packed(to_buffer(small())[:800]),
    "AKC0342-newer": write(small(), "3.0.1"),
    "AKC0342-no-version": write(small(), "garbage"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_file(name: str, text_snapshot: SnapshotAssertion) -> None:
    with pytest.raises(DiagnosticError, match=name[:7]) as caught:
        read(FILES[name], "net.fbz")
    assert str(caught.value) == text_snapshot(name=name)


def test_the_form_of_old_sdks_is_refused() -> None:
    """The slots of the parameters' table are moved from 3 to 2, where old SDKs kept another table."""
    buffer = bytearray(to_buffer(small()))
    place = buffer.find(struct.pack("<HHHHHH", 12, 8, 0, 0, 0, 4))
    assert place > 0
    buffer[place : place + 12] = struct.pack("<HHHHHH", 12, 8, 0, 0, 4, 0)
    with pytest.raises(DiagnosticError, match=r"AKC0343.*before 2\.4\.0"):
        read(packed(bytes(buffer)))


@pytest.mark.parametrize("make", [small, learner])
def test_damaged_files_are_told_and_never_crash(make: object) -> None:
    """Bytes changed and tails cut at random, packed and unpacked: a module or a diagnostic, nothing else."""
    module = make()  # type: ignore[operator]
    assert isinstance(module, Module)
    chance, buffer = random.Random(5), to_buffer(module)
    refused = 0
    for number in range(1500):
        data = bytearray(buffer if number % 2 else packed(buffer))
        for _ in range(chance.choice([1, 1, 2, 6])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        try:
            found = read(packed(bytes(data)) if number % 2 else bytes(data))
        except DiagnosticError:
            refused += 1
        else:
            assert not verify(found)
            assert any(isinstance(op, Layer) for op in found.net.ops)
    assert refused > 500
