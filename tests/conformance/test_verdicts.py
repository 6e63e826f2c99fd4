# SPDX-License-Identifier: Apache-2.0
"""Cuts between host and chip: those of the SDK's hw_only=False, and our own with the fewest crossings."""

from __future__ import annotations

from collections import Counter
from typing import Any

import akida
import pytest
from attrs import evolve

from akc.ir.module import Module, Sequence, Value
from akc.ir.ops.akida import Layer
from akc.targets.akd1000 import TARGET
from akc.targets.akd1000.layers import on_host
from tests.conformance import vendor
from tests.conformance.test_placement import COUNT, SEED, draw, places, seeds
from tests.targets.akd1000.chips import in_sequence

pytestmark = pytest.mark.conformance

KINDS = ["spoiled_shape", "spoiled", "one_conv", "one_channel", "large", "picture", "near_capacity", "mixed", "crowded"]
Cut = list[tuple[bool, tuple[str, ...]]]


def vendor_cut(module: Module, minimal: bool) -> tuple[Cut, Any]:
    """(on the chip, names of layers) of every sequence; software sequences are already merged by the SDK."""
    model = vendor.to_akida(module)
    vendor.map_on_akd1000(model, hw_only=False, minimal=minimal)
    found: Cut = []
    for sequence in model.sequences:
        names = tuple(layer.name for group in sequence.passes for layer in group.layers if layer.name != "akc_input")
        if names:
            found.append((sequence.backend == akida.BackendType.Hardware, names))
    return found, model


def our_cut(module: Module) -> Cut:
    return [(not on_host(block), tuple(op.name for op in block.ops)) for block in module.net.sequences]


@pytest.mark.parametrize("way", ["vendor", "vendor-minimal"])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_and_programs_equal_the_sdk(kind: str, way: str) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds(kind):
        module = draw(kind, seed)
        try:
            theirs, model = vendor_cut(module, way == "vendor-minimal")
        except (ValueError, RuntimeError):
            seen["refused at creation"] += 1
            continue
        ours = TARGET.partition(in_sequence(module), way)
        assert our_cut(ours) == theirs, f"{kind} network {seed}"
        expected = places(vendor.placed_like(module, model))
        chip = {name for on_chip, names in theirs if on_chip for name in names}
        assert {n: at for n, at in places(ours).items() if n in chip} == {n: expected[n] for n in chip}, (
            f"{kind} {seed}"
        )
        assert [(p.info, p.data) for p in TARGET.assemble(ours)] == vendor.programs(model), f"{kind} {seed}"
        seen[f"{len(vendor.programs(model))} programs"] += 1
    print(f"{kind}, {way}: {dict(seen)}")
    assert sum(seen.values()) - seen["refused at creation"] > len(seeds(kind)) // 2


@pytest.mark.parametrize("kind", ["spoiled_shape", "large", "near_capacity"])
def test_fewest_crossings_is_no_worse_and_every_piece_is_the_sdks(kind: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEED, SEED + COUNT // 3):
        module = draw(kind, seed)
        try:
            theirs, _ = vendor_cut(module, False)
        except (ValueError, RuntimeError):
            continue
        placed = TARGET.partition(in_sequence(module), "crossings")
        ours = our_cut(placed)
        assert _host_layers(ours) <= _host_layers(theirs), f"{kind} {seed}"
        if _host_layers(ours) == _host_layers(theirs):
            assert _chip_sequences(ours) <= _chip_sequences(theirs), f"{kind} {seed}"
        for block, program in zip(_on_chip(placed), TARGET.assemble(placed), strict=True):
            alone = _alone(placed, block)
            model = vendor.to_akida(alone)
            vendor.map_on_akd1000(model)
            (same,) = TARGET.assemble(alone)
            assert [(same.info, program.data)] == vendor.programs(model), f"{kind} {seed} @{block.name}"
            seen["programs"] += 1
    print(f"{kind}: {dict(seen)}")
    assert seen["programs"] > COUNT // 6


def _host_layers(cut: Cut) -> int:
    return sum(len(names) for on_chip, names in cut if not on_chip)


def _chip_sequences(cut: Cut) -> int:
    return sum(on_chip for on_chip, _ in cut)


def _on_chip(module: Module) -> list[Sequence]:
    return [block for block in module.net.sequences if not on_host(block)]


def _alone(module: Module, block: Sequence) -> Module:
    """One sequence as a network of its own; its program_info may name another kind of events."""
    first, last = block.ops[0], block.ops[-1]
    assert isinstance(first, Layer)
    value = Value(first.x, module.net.types[first.x])
    net = evolve(module.net, inputs=(value,), outputs=(last.name,), output_types=(last.type,))
    return evolve(module, net=net).with_statements([block])
