# SPDX-License-Identifier: Apache-2.0
"""Every limit at its edge: the SDK refuses what breaks it and takes what just keeps it."""

from __future__ import annotations

import pytest

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets.akd1000 import TARGET
from tests.conformance import vendor
from tests.targets.akida1.chips import network
from tests.targets.akida1.test_limits import (
    AVERAGE,
    BEHIND,
    BROKEN,
    MAP,
    ONE_CONV,
    ONE_IMAGE,
    OVERLAPPING,
    PICTURE,
    POOL,
    conv,
    dense,
    image,
    learning,
    separable,
    vector,
)

pytestmark = pytest.mark.conformance

NOT_IN_THE_SDK = {"one in front of %n2"}
"""Only the last layer of a model can be compiled for learning."""
REFUSED = [
    (code, label, module)
    for code, label, module in BROKEN
    if TARGET.check(module)[0].severity == "error" and label not in NOT_IN_THE_SDK
]
POOL_1 = {"pool": "max", "pool_size": (1, 1), "pool_stride": (1, 1)}

KEPT: dict[str, Module] = {
    "largest kernels": network(*MAP, conv(2, 7), separable(2, 7)),
    "smallest kernels": network(*MAP, conv(2, 1), separable(2, 3)),
    "stride 2 of 3x3": network(*MAP, conv(2, stride=(2, 2)), separable(2, stride=(2, 2))),
    "all weight types": network(*MAP, conv(2, 3, "u1"), conv(2, 3, "i2"), separable(2, 3, "i2"), dense(2, "u1")),
    "2048 channels": network((2, 2, 2048), "u4", separable(8)),
    "2048 filters": network((2, 2, 2), "u4", conv(2048, 1)),
    "4096 cells": network((1, 4096, 1), "u4", conv(2)),
    "image of 5 rows": network((5, 16, 1), "u8", image(2, 5)),
    "image of 5 columns under a 7x7 kernel": network((16, 5, 1), "u8", image(2, 7)),
    "image of 256 columns": network((16, 256, 3), "u8", image(2)),
    "valid image of two windows": network((16, 8, 1), "u8", image(2, 5, stride=(1, 3), padding="valid")),
    "image strides": network(*PICTURE, image(2, stride=(3, 2))),
    "image filters": network(*PICTURE, image(512)),
    "image filters of 7x7 in colour": network((16, 16, 3), "u8", image(32, 7)),
    "image pool in front of dense": network(*PICTURE, image(2, **POOL), dense(2)),
    "57334 inputs": network((1, 1, 57334), "u1", dense(1, "u1")),
    "2048 spatial channels": network((2, 1, 2048), "u4", dense(1)),
    "4096 flat channels": network((1, 1, 4096), "u4", dense(1)),
    "2047 cells of a dense layer": network((1, 2047, 1), "u4", dense(2)),
    "131071 units": network((1, 1, 1), "u1", dense(2**17 - 1, "u1")),
    "pool of the map's own size": network((2, 2, 4), "u4", conv(2, **POOL), BEHIND),
    "pool on a tiled map": network((40, 16, 4), "u4", conv(2, **POOL), BEHIND),
    "strided separable pool on a tiled map": network((40, 16, 4), "u4", separable(2, stride=(2, 2), **POOL), BEHIND),
    "overlapping pool on one tile": network((32, 16, 4), "u4", conv(2, **OVERLAPPING), BEHIND),
    "pool of 1x1": network(*MAP, conv(2, **POOL_1), BEHIND),
    "average over 32x3": network((32, 3, 4), "u4", conv(2, **AVERAGE)),
    "average over 600 rows": network((4, 600, 4), "u4", conv(2, **AVERAGE)),
    "20-bit thresholds": vector(ONE_CONV, "threshold", [2**19 - 1, -(2**19)], "i32"),
    "24-bit thresholds": vector(ONE_IMAGE, "threshold", [2**23 - 1, -(2**23)], "i32"),
    "smallest and largest step": vector(ONE_CONV, "act_step", [0.0625, 65535.9375], "f32"),
    "largest step of an image layer": vector(ONE_IMAGE, "act_step", [0.0625, 1048575.9375], "f32"),
    "threshold of potentials": vector(network(*MAP, conv(2, activation=False)), "threshold", [0, 2**30], "i32"),
    "learning of all inputs": network((1, 1, 9), "u1", learning(num_weights=9, num_classes=6)),
    "3-bit inputs of a convolution": network((16, 16, 4), "u3", conv(2)),
}
BOTH_REFUSE = {
    "pool of 1x1 in front of dense": network(*MAP, conv(2, **POOL_1), dense(2)),
    "pool of 1x1 at the end": network(*MAP, conv(2, **POOL_1)),
    "average over 600 rows that fit in tiles only": network((32, 598, 24), "u1", separable(1, 5, **AVERAGE)),
}


def refused_by_sdk(module: Module) -> bool:
    try:
        vendor.map_on_akd1000(vendor.to_akida(module))
    except (RuntimeError, ValueError, IndexError):
        return True
    return False


@pytest.mark.parametrize(("code", "label", "module"), REFUSED, ids=[f"{c}-{x}" for c, x, _ in REFUSED])
def test_the_sdk_refuses_what_breaks_a_limit(code: str, label: str, module: Module) -> None:
    assert refused_by_sdk(module)


@pytest.mark.parametrize("name", KEPT)
def test_both_take_what_keeps_the_limits(name: str) -> None:
    assert not refused_by_sdk(KEPT[name])
    TARGET.place(KEPT[name])


@pytest.mark.parametrize("name", BOTH_REFUSE)
def test_both_refuse(name: str) -> None:
    assert refused_by_sdk(BOTH_REFUSE[name])
    with pytest.raises(DiagnosticError):
        TARGET.place(BOTH_REFUSE[name])
