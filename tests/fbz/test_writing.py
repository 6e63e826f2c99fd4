# SPDX-License-Identifier: Apache-2.0
"""Writing .fbz files: what cannot be written is refused, all faults at once."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.fbz import write
from akc.fbz.file import read_raw
from akc.fbz.snappy import SnappyFault, block_end, unpack
from akc.ir.module import Module, Sequence
from akc.ir.weights import Weight
from tests.fbz.models import learner, small
from tests.sim.texts import net


def chip_layers(module: Module, **changes: object) -> Module:
    """The module with the first chip layer changed."""
    (sequence, *rest) = module.net.statements
    assert isinstance(sequence, Sequence)
    first = evolve(sequence.ops[0], **changes)
    return module.with_statements([evolve(sequence, ops=(first, *sequence.ops[1:])), *rest])


def host_amid() -> Module:
    body = """  sequence @s0 {
    %a = akida.fully_connected(%x, weights=#w, act_bits=4) : u4[1, 1, 2] from "fc1"
  }
  %f = host.dequantize(%a, scale=0.5) : f32[2]
  %q = host.quantize(%f, scale=0.25, bits=4) : u4[1, 1, 2]
  sequence @s1 {
    %y = akida.fully_connected(%q, weights=#w, act_bits=4) : u4[1, 1, 2] from "fc2"
  }"""
    return net("%x: u4[1, 1, 2]) -> u4[1, 1, 2]", body, '#w : i4[2, 2] = dec "1 -2 3 4"')


REFUSED = {
    "no-chip-layer": net("%x: f32[2]) -> f32[2]", "  %y = nn.relu(%x) : f32[2]"),
    "host-amid": host_amid(),
    "potentials-amid": chip_layers(small(), activation=False),
    "stride": chip_layers(small(), stride=(2, 4)),
    "pool": chip_layers(small(), pool="max", pool_size=(2, 2), pool_stride=(3, 2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, text_snapshot: SnapshotAssertion) -> None:
    with pytest.raises(DiagnosticError, match="AKC0640") as caught:
        write(REFUSED[name])
    assert str(caught.value) == text_snapshot(name=name)


@pytest.mark.parametrize("step", [0.06, 2.0**24, float("nan")])
def test_steps_that_end_the_vendors_process_are_not_written(step: float) -> None:
    weights = {**small().weights, "s": Weight.of(np.array([1, step, 1], np.float32), "f32")}
    with pytest.raises(DiagnosticError, match=r"AKC0640.*act_step of %p"):
        write(evolve(small(), weights=weights))


def test_all_faults_at_once() -> None:
    with pytest.raises(DiagnosticError) as caught:
        write(chip_layers(small(), activation=False, stride=(4, 4), pool="max", pool_stride=(2, 2)))
    assert len(caught.value.diagnostics) == 3


def test_names_of_layers() -> None:
    """The first source name of each layer; where two share one, the names of the values."""
    names = [layer.name for layer in read_raw(write(small()), "f").layers]
    assert names == ["x", "conv/1", "p"]
    shared = small()
    (sequence, decode) = shared.net.statements
    assert isinstance(sequence, Sequence)
    ops = tuple(evolve(op, origin=("same",)) for op in sequence.ops)
    shared = shared.with_statements([evolve(sequence, ops=ops), decode])
    assert [layer.name for layer in read_raw(write(shared), "f").layers] == ["x", "c", "p"]


def test_orders_of_weights() -> None:
    """Kernels flipped, dense inputs with the first axis fastest, shapes from the slowest axis."""
    raw = read_raw(write(small()), "f").layers
    kernel = raw[1].variables["weights"]
    assert kernel.shape == (2, 1, 3, 3)
    stored = kernel.data.view(np.int8).reshape(3, 3, 1, 2)
    np.testing.assert_array_equal(stored[::-1, ::-1, 0].transpose(2, 0, 1), small().array("c")[..., 0])
    dense = raw[2].variables["weights"]
    assert dense.shape == (3, 8, 1, 1)
    stored = dense.data.view(np.int8).reshape(8, 3)
    for d0 in range(2):
        for d1 in range(2):
            for channel in range(2):
                text = small().array("f")[:, (d0 * 2 + d1) * 2 + channel]
                np.testing.assert_array_equal(stored[d0 + 2 * (d1 + 2 * channel)], text)


def test_versions_and_learning() -> None:
    assert read_raw(write(small()), "f").version == "2.4.0"
    assert read_raw(write(small(), "2.19.3"), "f").version == "2.19.3"
    learning = read_raw(write(learner()), "f").learning
    assert learning is not None
    assert (learning["num_weights"], learning["num_classes"], learning["learning_type"]) == (2, 2, 0)


def test_the_end_of_a_block_is_found_among_filler() -> None:
    data = write(small())
    assert block_end(data + b"\x12\x34") == len(data)
    assert unpack(data + b"\x12\x34") == unpack(data)
    for end in range(len(data)):
        with pytest.raises(SnappyFault):
            block_end(data[:end])
