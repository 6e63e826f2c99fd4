# SPDX-License-Identifier: Apache-2.0
"""Bytes that the image layer reads go in as they are: no conversion to floats and back stands in front of it."""

from __future__ import annotations

from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops import host, nn
from akc.ir.types import TensorType
from akc.passes.shared.rewriting.rewrite import Editor

MOVES = (nn.Reshape, nn.Permute, nn.Flip, nn.Repeat, nn.Pad)


def bytes_as_they_are(module: Module) -> Module:
    """host.quantize with step 1 of nothing but moved bytes becomes those bytes; the same object where there is none."""
    editor = Editor(module)
    for op in editor.ops:
        chain = _from_bytes(editor, op) if isinstance(op, host.Quantize) else None
        if chain is not None and isinstance(op, host.Quantize):
            _rebuild(editor, op, chain)
    return editor.finish()


def _from_bytes(editor: Editor, op: host.Quantize) -> list[Op] | None:
    """The cast of bytes, and the moves between it and a quantisation that changes no number; None for any other."""
    if op.scale != 1.0 or op.zero_point or op.bits != 8:
        return None
    chain: list[Op] = []
    here = editor.producer(op.x)
    while here is not None and isinstance(here, MOVES) and _whole(here) and editor.user(here.name) is not None:
        chain.insert(0, here)
        here = editor.producer(here.operands[0])
    if not isinstance(here, nn.Cast) or editor.type_of(here.x).dtype != "u8" or editor.user(here.name) is None:
        return None
    return [here, *chain]


def _whole(op: Op) -> bool:
    """Whether an op makes bytes of bytes: a border must be a byte."""
    return not isinstance(op, nn.Pad) or (op.value == int(op.value) and 0 <= op.value <= 255)


def _rebuild(editor: Editor, op: host.Quantize, chain: list[Op]) -> None:
    """Moves of the bytes in place of the cast, its moves and the quantisation."""
    cast, moves = chain[0], chain[1:]
    x, new = cast.operands[0], list[Op]()
    shape = op.type.shape
    for move in moves:
        kind = TensorType("u8", move.type.shape)
        name = editor.name(f"{move.name}_bytes")
        new.append(
            evolve(move.renamed({move.operands[0]: x}), result=evolve(move.result, name=name, type=kind, range=None))
        )
        x = name
    if new and new[-1].type.shape == shape:
        new[-1] = evolve(new[-1], result=op.result)
    elif editor.type_of(cast.operands[0]).shape != shape or new:
        new.append(nn.Reshape(result=op.result, x=x, shape=shape, origin=op.origin, comments=op.comments))
    editor.replace((*chain, op), *new)
