# SPDX-License-Identifier: Apache-2.0
"""Digests of programs of small networks of every kind: a register that moves, or a byte that is lost, is noticed.

The assembler and the reader share their tables, so that going there and back does not show a wrong row of them; the
comparison with the vendor's SDK does (docs/conformance.md), and these are the bytes that it agreed with.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, Learning
from akc.ir.weights import Weight
from akc.targets import load_target
from tests.targets.akida1.chips import network, with_vector

POOLED = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}
LAST: dict[str, Any] = {"activation": False, "act_bits": 1}
LEARNING = {"learning": Learning(num_weights=40, num_classes=3), "activation": False, "act_bits": 1}

NETWORKS: dict[str, tuple[Any, ...]] = {
    "dense": ((1, 1, 37), "u4", ("dense", 19, "i4"), ("dense", 7, "i2", {"act_bits": 2}), ("dense", 5, "i4", LAST)),
    "one bit": ((1, 1, 37), "u1", ("dense", 19, "u1", {"act_bits": 1}), ("dense", 5, "i4", LAST)),
    "dense with much inside": ((1, 1, 1500), "u4", ("dense", 40, "i4"), ("dense", 5, "i4", LAST)),
    "dense with weights outside": ((1, 1, 30000), "u2", ("dense", 24, "i4", LAST)),
    "learning": ((1, 1, 40), "u1", ("dense", 6, "u1", LEARNING)),
    "learning behind dense": ((1, 1, 9), "u1", ("dense", 40, "i4", {"act_bits": 1}), ("dense", 6, "u1", LEARNING)),
    "convolutions": (
        (9, 11, 5),
        "u4",
        ("convolution", 12, 3, "i4", POOLED),
        ("convolution", 9, 5, "i2", {"act_bits": 2}),
        ("convolution", 21, 1, "i4", LAST),
    ),
    "stride and average": (
        (10, 8, 6),
        "u2",
        ("convolution", 16, 3, "i4", {"stride": (2, 2)}),
        ("convolution", 10, 3, "i4", {"pool": "average", **LAST}),
    ),
    "separable": (
        (8, 8, 7),
        "u4",
        ("separable", 12, 3, "i4", {"stride": (2, 2)}),
        ("separable", 10, 7, "i2"),
        ("dense", 4, "i4", LAST),
    ),
    "a map in tiles": ((70, 40, 16), "u4", ("convolution", 24, 3, "i4", POOLED), ("convolution", 8, 7, "i4", LAST)),
    "many filters": ((6, 6, 40), "u4", ("convolution", 300, 3, "i4"), ("separable", 60, 3, "i4", LAST)),
    "one channel": ((12, 12, 1), "u4", ("convolution", 32, 3, "i4"), ("dense", 4, "i4", LAST)),
    "picture": ((12, 14, 3), "u8", ("image", 10, 3, {"stride": (2, 2)}), ("convolution", 8, 3, "i4", LAST)),
    "grey picture": ((13, 12, 1), "u8", ("image", 20, 5, {"padding": "valid", **POOLED}), ("dense", 4, "i4", LAST)),
}


def _pattern(shape: tuple[int, ...], low: int, high: int) -> Any:
    """Numbers that differ from place to place."""
    count = int(np.prod(shape))
    return (np.arange(count, dtype=np.int64) * 7 % (high - low + 1) + low).reshape(shape)


def _filled(module: Module) -> Module:
    """The network with weights, thresholds and steps that differ; those of a learning layer stay ones."""
    weights = dict(module.weights)
    for op in module.net.ops:
        if not isinstance(op, Layer) or getattr(op, "learning", None) is not None:
            continue
        for name in op.weights_used:
            kind = weights[name].type
            weights[name] = Weight.of(
                _pattern(kind.shape, max(kind.element.low or 0, -7), min(kind.element.high or 1, 7)), kind.dtype
            )
    module = evolve(module, weights=weights)
    for op in module.net.ops:
        if isinstance(op, Layer) and getattr(op, "learning", None) is None:
            count = op.type.shape[2]
            module = with_vector(module, op.name, "threshold", Weight.of(_pattern((count,), -90, 90), "i32"))
            module = with_vector(module, op.name, "act_step", Weight.of(_pattern((count,), 1, 60) / 4, "f32"))
    return module


@pytest.mark.parametrize("chip", ["akd1000", "akd1500"])
def test_programs_stay_as_they_are(chip: str, text_snapshot: object) -> None:
    target = load_target(chip)
    lines = []
    for name, given in NETWORKS.items():
        try:
            programs = target.assemble(target.place(_filled(network(*given))))
            found = " ".join(f"{len(p.bytes)} {hashlib.sha256(p.bytes).hexdigest()[:24]}" for p in programs)
        except DiagnosticError as refused:
            found = refused.diagnostics[0].code
        lines.append(f"{name}: {found}\n")
    assert "".join(lines) == text_snapshot
