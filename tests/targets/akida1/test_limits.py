# SPDX-License-Identifier: Apache-2.0
"""Every row of the table of limits can refuse, says what it found, and stands on the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import Diagnostic, render
from akc.ir.module import Module, Sequence
from akc.ir.ops.akida import Learning
from akc.ir.weights import Weight
from akc.pages.supported import supported_page
from akc.targets.akd1000 import AKD1000, TARGET
from akc.targets.akida1.limits.table import LIMITS, PLACEMENT_LIMITS
from tests.targets.akida1.chips import from_text, network, with_vector

POOL = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}
AVERAGE = {"pool": "average"}
OVERLAPPING = {**POOL, "pool_stride": (1, 1)}
POOL_3 = {"pool": "max", "pool_size": (3, 3), "pool_stride": (2, 2)}
POOL_D1 = {"pool": "max", "pool_size": (1, 2), "pool_stride": (1, 2)}
BEHIND = ("convolution", 4, 1, "i4")


def conv(filters: int, kernel: int = 3, dtype: str = "i4", **fields: Any) -> tuple[Any, ...]:
    return ("convolution", filters, kernel, dtype, fields)


def separable(filters: int, kernel: int = 3, dtype: str = "i4", **fields: Any) -> tuple[Any, ...]:
    return ("separable", filters, kernel, dtype, fields)


def image(filters: int, kernel: int = 3, **fields: Any) -> tuple[Any, ...]:
    return ("image", filters, kernel, fields)


def dense(units: int, dtype: str = "i4", **fields: Any) -> tuple[Any, ...]:
    return ("dense", units, dtype, fields)


def vector(base: Module, field: str, values: Any, dtype: str) -> Module:
    return with_vector(base, "n1", field, Weight.of(np.asarray(values), dtype))


def learning(**settings: Any) -> tuple[Any, ...]:
    return dense(6, "u1", learning=Learning(**settings))


PICTURE = ((16, 16, 1), "u8")
MAP = ((16, 16, 4), "u4")
ONE_IMAGE = network(*PICTURE, image(2))
ONE_CONV = network(*MAP, conv(2))

BROKEN: list[tuple[str, str, Module]] = [
    ("AKC0501", "9x9", network(*MAP, conv(2, 9))),
    ("AKC0501", "1x1", network(*MAP, separable(2, 1))),
    ("AKC0501", "1x1", network(*PICTURE, image(2, 1))),
    ("AKC0502", "2x2 with a 5x5 kernel", network(*MAP, conv(2, 5, stride=(2, 2)))),
    ("AKC0502", "1x2 with a 3x3 kernel", network(*MAP, conv(2, stride=(1, 2)))),
    ("AKC0502", "4x1", network(*PICTURE, image(2, stride=(4, 1)))),
    ("AKC0503", "valid", network(*MAP, separable(2, padding="valid"))),
    ("AKC0504", "i8", network(*MAP, conv(2, 3, "i8"))),
    ("AKC0504", "u1", network(*MAP, separable(2, 3, "u1"))),
    ("AKC0504", "i8", network(*MAP, dense(2, "i8"))),
    ("AKC0505", "false", network(*PICTURE, image(2, activation=False))),
    ("AKC0506", "200,000 bytes", network((4, 4, 2000), "u4", conv(600, 1))),
    ("AKC0506", "2000x20x200 at 4 bits", network((2000, 20, 200), "u4", conv(2))),
    ("AKC0507", "2", network((16, 16, 2), "u8", image(2))),
    ("AKC0507", "100 at 7x7 and 1 channels", network(*PICTURE, image(100, 7))),
    ("AKC0507", "2,049", network((2, 2, 2049), "u4", conv(2, 1))),
    ("AKC0507", "2,049", network((2, 2, 2), "u4", conv(2049, 1))),
    ("AKC0507", "57,335", network((1, 1, 57335), "u1", dense(1, "u1"))),
    ("AKC0507", "2,049", network((2, 1, 2049), "u4", dense(1))),
    ("AKC0507", "131,072", network((1, 1, 1), "u1", dense(2**17, "u1"))),
    ("AKC0508", "4", network((4, 16, 1), "u8", image(2))),
    ("AKC0508", "257", network((16, 257, 1), "u8", image(2))),
    ("AKC0508", "7", network((16, 7, 1), "u8", image(2, 5, stride=(1, 3), padding="valid"))),
    ("AKC0508", "4,097", network((1, 4097, 1), "u4", conv(2))),
    ("AKC0508", "2,048", network((1, 2048, 1), "u4", dense(2))),
    ("AKC0509", "average", network(*PICTURE, image(2, **AVERAGE))),
    ("AKC0509", "1", network((16, 5, 1), "u8", image(2, stride=(1, 3), **POOL_D1))),
    ("AKC0509", "max of 3x3 with stride 2x2", network(*MAP, conv(2, **POOL_3), BEHIND)),
    ("AKC0509", "1x16", network((1, 16, 4), "u4", conv(2, **POOL), BEHIND)),
    ("AKC0509", "33", network((33, 16, 4), "u4", conv(2, **AVERAGE))),
    ("AKC0509", "2", network((16, 2, 4), "u4", conv(2, **AVERAGE))),
    ("AKC0509", "a map of 51,200 bytes", network((32, 32, 100), "u4", conv(2, **AVERAGE))),
    ("AKC0509", "a map in 2 tiles", network((40, 16, 4), "u4", conv(2, **OVERLAPPING), BEHIND)),
    ("AKC0509", "a map in 2 tiles", network((40, 16, 4), "u4", conv(2, stride=(2, 2), **POOL), BEHIND)),
    ("AKC0510", "nothing", network(*MAP, conv(2, **POOL))),
    ("AKC0510", "akida.fully_connected %n2", network(*MAP, conv(2, **POOL), dense(3))),
    ("AKC0512", "0", vector(ONE_IMAGE, "weights", np.zeros((2, 3, 3, 1)), "i8")),
    ("AKC0513", "-524289 (value 1)", vector(ONE_CONV, "threshold", [0, -524289], "i32")),
    ("AKC0513", "8388608 (value 0)", vector(ONE_IMAGE, "threshold", [8388608, 0], "i32")),
    ("AKC0514", "0.05999999865889549 (value 0)", vector(ONE_CONV, "act_step", [0.06, 1], "f32")),
    ("AKC0514", "65536.0 (value 1)", vector(ONE_CONV, "act_step", [1, 65536], "f32")),
    ("AKC0514", "1048576.0 (value 0)", vector(ONE_IMAGE, "act_step", [1048576, 1], "f32")),
    ("AKC0516", "one with 4-bit inputs and 1-bit weights", network((1, 1, 9), "u4", learning(num_weights=9))),
    ("AKC0516", "10", network((1, 1, 9), "u1", learning(num_weights=10))),
    ("AKC0516", "9 in unit 0, num_weights is 4", network((1, 1, 9), "u1", learning(num_weights=4))),
    ("AKC0516", "one with 6 units for 4 classes", network((1, 1, 9), "u1", learning(num_weights=9, num_classes=4))),
    ("AKC0516", "one in front of %n2", network((1, 1, 9), "u1", learning(num_weights=9), dense(2, "u1"))),
    ("AKC0517", "525,000", network((1, 1, 35000), "u4", dense(1, "i2"))),
    ("AKC0518", "of 3 bits", network((16, 16, 4), "u3", conv(2))),
    ("AKC0518", "of 3 bits", network((1, 1, 9), "u3", dense(2))),
]  # fmt: skip


def found(module: Module) -> list[Diagnostic]:
    return TARGET.check(module)


@pytest.mark.parametrize(("code", "label", "module"), BROKEN, ids=[f"{c}-{x}" for c, x, _ in BROKEN])
def test_each_limit_refuses_and_says_what_it_found(code: str, label: str, module: Module) -> None:
    matching = [d for d in found(module) if (d.code, d.label) == (code, label)]
    assert len(matching) == 1, [(d.code, d.label) for d in found(module)]
    (diagnostic,) = matching
    assert diagnostic.origin == ("node_n1",)
    assert label in diagnostic.message and "the chip takes" in diagnostic.message


def test_every_row_with_a_test_is_broken_by_some_network_above() -> None:
    """So that a row that can never refuse is noticed. An image layer can only follow another by hand."""
    seen = {d.message.split(" is ")[0].split(": ", 1)[1] for _, _, m in BROKEN for d in found(m)}
    here = {row.what for row in LIMITS if any(row.concerns(kind, AKD1000) for kind in row.ops)}
    assert here - seen == {"the place in the sequence"}


def test_an_image_layer_behind_another_layer() -> None:
    first, second = network(*MAP, conv(1)), network((16, 16, 1), "u8", image(2))
    layers = (*first.net.ops, *second.net.ops)
    module = evolve(
        first, net=evolve(first.net, inputs=(*second.net.inputs,), statements=(Sequence(name="s", ops=layers),))
    )
    assert "AKC0511" in {d.code for d in found(evolve(module, weights={**second.weights, **first.weights}))}


def test_all_faults_of_a_network_at_once() -> None:
    module = network(*MAP, conv(2, 9, "i8", stride=(3, 3), padding="valid"), dense(3, "i8"))
    assert [(d.code, d.origin[0]) for d in found(module) if d.severity == "error"] == [
        ("AKC0501", "node_n1"), ("AKC0502", "node_n1"), ("AKC0503", "node_n1"), ("AKC0504", "node_n1"),
        ("AKC0504", "node_n2"),
    ]  # fmt: skip


def test_the_message_points_at_the_attribute() -> None:
    module = from_text(network(*MAP, conv(2, padding="valid")))
    (diagnostic,) = found(module)
    assert render(diagnostic) == (
        "error[AKC0503]: akida.convolutional %n1: the padding is valid; the chip takes same\n"
        " --> net.akir:8:7\n"
        "  |\n"
        "8 |       padding=valid,\n"
        "  |       ^^^^^^^^^^^^^ valid\n"
        "  = from: node_n1\n"
        "  = help: take padding=same and give the border's weights in the next dense layer 0 (pass fit-windows)"
    )


def test_a_legal_network_has_no_faults() -> None:
    module = network((28, 28, 1), "u8", image(8), conv(16, **POOL), separable(32, stride=(2, 2)), dense(10))
    assert found(module) == []


def test_elided_weights_are_not_looked_into() -> None:
    module = vector(ONE_CONV, "threshold", [0, 2**20], "i32")
    hidden = Weight(type=module.weights["n1.threshold"].type, codec="elided", payload="sha256:0")
    assert found(with_vector(ONE_CONV, "n1", "threshold", hidden)) == []


def test_thresholds_of_potentials_are_free() -> None:
    potentials = network(*MAP, conv(2, activation=False))
    assert found(vector(potentials, "threshold", [0, 2**30], "i32")) == []


def test_every_row_is_on_the_page() -> None:
    page = supported_page()
    rows = [r for r in (*LIMITS, *PLACEMENT_LIMITS) if any(r.concerns(kind, AKD1000) for kind in r.ops)]
    for row in rows:
        assert page.count(f"| {row.what} | {row.words(AKD1000)} | {row.severity} | {row.code} |") >= len(row.ops)
