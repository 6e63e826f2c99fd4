# SPDX-License-Identifier: Apache-2.0
"""What rewriting costs grows with the network and with the changes, counted in steps, not in seconds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akc.ir.module import Module, Net, Op, Value
from akc.ir.ops import nn
from akc.ir.types import TensorType
from akc.ir.verifier import verify
from akc.passes.shared.rewriting.rewrite import Editor, rewrite
from akc.passes.shared.rewriting.statements import Statements

KIND = TensorType("f32", (2,))


def row(length: int) -> Module:
    """relu, affine, relu, affine ..."""
    kinds = [nn.Relu, nn.Affine]
    ops = [kinds[i % 2](result=Value(f"v{i}", KIND), x=f"v{i - 1}" if i else "x") for i in range(length)]
    net = Net(
        name="row", inputs=(Value("x", KIND),), statements=tuple(ops), outputs=(ops[-1].name,), output_types=(KIND,)
    )
    return Module(net=net)


def looked_at(length: int) -> int:
    """How often a rule that takes every affine out is asked."""
    calls = 0

    def rule(editor: Editor, op: Op) -> bool:
        nonlocal calls
        calls += 1
        if not isinstance(op, nn.Affine):
            return False
        editor.replace((op,))
        return True

    after = rewrite(row(length), rule)
    assert [type(op) for op in after.net.ops] == [nn.Relu] * (length // 2)
    assert not verify(after)
    return calls


def test_a_rule_is_asked_as_often_as_the_net_is_long() -> None:
    """Twice the net, twice the questions."""
    short, long = looked_at(100), looked_at(200)
    assert long < 2.1 * short
    assert long < 200 * 12


def test_a_change_touches_what_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement is read anew but the ones exchanged and the readers of what has another name now."""
    editor = Editor(row(400))
    seen: Counter[str] = Counter()
    remember = Statements._remember

    def counting(self: Statements, line: object) -> None:
        seen["lines"] += 1
        remember(self, line)  # type: ignore[arg-type]

    monkeypatch.setattr(Statements, "_remember", counting)
    for op in [op for op in editor.ops if isinstance(op, nn.Affine)][::2]:
        editor.replace((op,))
    assert seen["lines"] == 100


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_the_order_of_the_text_is_kept(places: list[int]) -> None:
    """However often lines go between the same two others."""
    editor = Editor(row(6))
    wanted = [op.name for op in editor.ops]
    for number, place in enumerate(places):
        at = place % (2 if number % 3 else len(wanted))
        old = editor.producer(wanted[at])
        assert old is not None
        new = [
            nn.Relu(result=Value(f"new{number}", KIND), x=old.operands[0]),
            nn.Relu(result=old.result, x=f"new{number}"),
        ]
        editor.replace((old,), *new)
        wanted[at : at + 1] = [op.name for op in new]
    assert [op.name for op in editor.ops] == wanted
    again = [editor.lines.place(name) for name in wanted]
    assert again == sorted(set(again))
    assert not verify(editor.finish())
    for name in wanted:
        (reader,) = editor.lines.readers(name) or (None,)
        assert reader is None or name in reader.operands
    assert np.array_equal(sorted(editor.net_values), sorted(["x", *wanted]))
