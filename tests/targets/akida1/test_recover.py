# SPDX-License-Identifier: Apache-2.0
"""From programs back to networks, and programs as text."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.ir.ops.akida import Layer
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.verifier import verify
from akc.ir.weights import Weight
from akc.targets.akd1000 import TARGET
from akc.targets.akida1.program.container import read
from akc.targets.akida1.program.registers import CNP, EPG, FNP
from akc.targets.akida1.program.writer import write
from akc.targets.akida1.reading.diff import diff
from tests.conformance.random_networks import layers
from tests.targets.akida1.chips import network, with_vector
from tests.targets.akida1.programs import KINDS, placed, program


@pytest.mark.parametrize("kind", KINDS)
def test_a_recovered_network_assembles_to_the_same_bytes(kind: str) -> None:
    for number in range(6):
        one = program(kind, number)
        module = TARGET.recover(one.bytes)
        assert not verify(module)
        assert level_of(module) == "placed"
        again = parse(print_module(module), "recovered.akir")
        assert TARGET.assemble(again)[0].bytes == one.bytes


def _weights(module: Module) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    names = [n for op in module.net.ops if isinstance(op, Layer) for n in (op.weights, getattr(op, "pointwise", None))]
    return [module.array(name) for name in names if name is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_in_the_orientation_of_the_text(kind: str) -> None:
    for number in range(6):
        module = placed(kind, number)
        pairs = zip(_weights(module), _weights(TARGET.recover(program(kind, number).bytes)), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def _tampered(kind: str, word: int, value: int) -> bytes:
    """A program with one register word of its first mesh layer changed, otherwise whole."""
    container = read(program(kind, 0).bytes)
    records = list(container.records)
    words = np.array(records[1].tracks[0])
    words[2 + word] = value
    records[1] = evolve(records[1], tracks=(words, *records[1].tracks[1:]))
    written = write(evolve(container, passes=(tuple(records),)))
    return written.info + written.data


def test_a_program_that_no_network_gives_is_refused_in_words() -> None:
    data = _tampered("dense", 13, 0x11)
    with pytest.raises(DiagnosticError, match=r"AKC0614.*constant_13: 17 became 16"):
        TARGET.recover(data)
    assert "constant_13 = 17" in TARGET.disassemble(data)
    unnamed = _tampered("dense", 5, 0x80)
    assert "unnamed bits of word 5 = 0x00000080" in TARGET.disassemble(unnamed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_disassembly_names_every_field(kind: str) -> None:
    text = TARGET.disassemble(program(kind, 0).bytes)
    blocks = [EPG] if "event gateway, registers" in text else []
    blocks += [FNP] if "(fnp)" in text else []
    blocks += [CNP] if "(cnp)" in text else []
    assert blocks or "image layer" in text
    assert all(f"{row.name} = " in text for block in blocks for row in block.fields if not row.later)
    assert "unnamed bits" not in text and "not decoded" not in text


def test_the_disassembly_of_a_dense_network(text_snapshot: object) -> None:
    one = TARGET.assemble(parse(SMALL, "small.akir"))[0]
    assert TARGET.disassemble(one.bytes) == text_snapshot


SMALL = """akir 1.0

net @small(%x: u4[1, 1, 5]) -> i32[1, 1, 2] {
  sequence @s0 {
    %a = akida.fully_connected(%x, weights=#a.weights, threshold=#a.threshold, act_step=#a.act_step, act_bits=4, at=[fnp3(1, 3, 0)]) : u4[1, 1, 3]
    %b = akida.fully_connected(%a, weights=#b.weights, activation=false, at=[fnp2(4, 1, 1)]) : i32[1, 1, 2]
  }
  return %b
}

weights {
  #a.weights : i4[3, 5] = hex "7f012 00000 9abcd"
  #a.threshold : i32[3] = dec "-3 0 12"
  #a.act_step : f32[3] = dec "1 2.5 0.0625"
  #b.weights : i2[2, 3] = hex "130 031"
}
"""  # noqa: E501


def test_equal_programs_have_no_difference() -> None:
    data = program("conv", 0).bytes
    assert diff(data, data) == "the programs are identical"


@pytest.mark.parametrize("kind", ["dense", "conv", "separable", "image"])
def test_a_changed_threshold_is_named(kind: str) -> None:
    module = next(m for m in (placed(kind, n) for n in range(30)) if layers(m)[0].threshold and layers(m)[0].activation)
    name = layers(module)[0].threshold
    assert name is not None
    values = np.array(module.array(name))
    old, values[0] = int(values[0]), 77
    changed = evolve(module, weights={**module.weights, name: Weight.of(values, "i32")})
    text = diff(TARGET.assemble(module)[0].bytes, TARGET.assemble(changed)[0].bytes)
    assert f"0 threshold: {old} became 77" in text
    shares = len([place for place in layers(module)[0].at if place.filters is None or place.filters.start == 0])
    assert len(text.splitlines()) == shares


def test_a_missing_layer_is_named() -> None:
    text = diff(program("dense", 0).bytes, program("dense", 5).bytes)
    assert "program_info input_dims" in text or "record" in text


@pytest.mark.parametrize("channels", [1, 3])
def test_the_weights_of_an_image_layer_are_shown_channel_by_channel(channels: int) -> None:
    """Three channels stand in three banks of the front end, one channel is spread over them."""
    module = network((8, 8, channels), "u8", ("image", 2, 3))
    values = np.arange(2 * 3 * 3 * channels).reshape(2, 3, 3, channels) - 20
    module = with_vector(module, "n1", "weights", Weight.of(values, "i8"))
    text = TARGET.disassemble(TARGET.assemble(TARGET.place(module))[0].bytes)
    for number, kernel in enumerate(values):
        assert f"filter {number} weights = {kernel.astype(np.int8).tobytes().hex()}" in text
    assert f"one_channel = {int(channels == 1)}" in text and "memory words" not in text
