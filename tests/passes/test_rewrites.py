# SPDX-License-Identifier: Apache-2.0
"""Every rewriting pass: the text before and after, and the same numbers in every cell."""

from __future__ import annotations

import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion

from akc.ir.module import Module
from akc.ir.verifier import verify
from akc.passes import PASSES
from tests.passes.building import assert_same, context
from tests.passes.networks import CASES, CONFIGURED, PROMISED, REWRITES, UNCHANGED


def _after(name: str, module: Module) -> Module:
    result: Module = PASSES[name](**CONFIGURED.get(name, {})).run(module, context(input_range=PROMISED.get(name)))
    return result


@pytest.mark.parametrize(("name", "case"), CASES)
def test_texts(name: str, case: str, akir_snapshot: SnapshotAssertion) -> None:
    """The text before and after the pass."""
    module = REWRITES[name][case]()
    assert module == akir_snapshot(name=f"{name}-{case}-before")
    assert _after(name, module) == akir_snapshot(name=f"{name}-{case}-after")


@pytest.mark.parametrize(("name", "case"), CASES)
def test_same_numbers(name: str, case: str) -> None:
    """The float network computes the same before and after, and the result is a valid module."""
    module = REWRITES[name][case]()
    after = _after(name, module)
    assert (after is module) == ((name, case) in UNCHANGED)
    assert not [d for d in verify(after) if d.severity == "error"]
    assert_same(module, after, low=PROMISED.get(name, (0, 1))[0])


@pytest.mark.parametrize(("name", "case"), CASES)
def test_second_run_changes_nothing(name: str, case: str) -> None:
    """A pass leaves nothing for itself to do."""
    after = _after(name, REWRITES[name][case]())
    again = _after(name, after)
    assert again == after


@pytest.mark.parametrize(("name", "case"), CASES)
def test_origins_survive(name: str, case: str) -> None:
    """Layers keep the names of the source's nodes."""
    module = REWRITES[name][case]()
    layers = ("nn.conv", "nn.dense", "nn.batch_norm", "nn.affine")
    before = {o for op in module.net.ops if op.mnemonic in layers for o in op.origin}
    kept = {o for op in _after(name, module).net.ops for o in op.origin}
    assert before <= kept


def test_comments_go_to_the_replacement() -> None:
    """A comment above a folded op stands above the op that replaces it."""
    module = REWRITES["fold-batchnorm"]["dense"]()
    commented = module.map_ops(lambda op: evolve(op, comments=("by hand",)) if op.mnemonic == "nn.batch_norm" else op)
    after = _after("fold-batchnorm", commented)
    assert next(op.comments for op in after.net.ops if op.mnemonic == "nn.dense") == ("by hand",)
