# SPDX-License-Identifier: Apache-2.0
"""Where branches begin and where they end."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.ir.ops.nn_host import Add, Concat, Sub

JOINS = (Add, Sub, Concat)


@frozen
class Region:
    """All operations between a value that several read and the one in which they meet again, in order."""

    start: str
    ops: tuple[Op, ...]

    @property
    def last(self) -> Op:
        """The op whose result is all that is read behind."""
        return self.ops[-1]


class Uses:
    """Who reads what in a module; operations in sequences are read from, but belong to no region."""

    def __init__(self, module: Module) -> None:
        self.ops = [s for s in module.net.statements if isinstance(s, Op)]
        self.places = {op.name: place for place, op in enumerate(self.ops)}
        self.outputs = set(module.net.outputs)
        self.readers: dict[str, list[Op]] = {}
        for op in module.net.ops:
            for name in dict.fromkeys(op.operands):
                self.readers.setdefault(name, []).append(op)

    def count(self, name: str) -> int:
        """Operations that read a value, and the net's caller."""
        return len(self.readers.get(name, [])) + (name in self.outputs)

    def only(self, name: str) -> Op | None:
        """The only reader of a value, if it is one outside of sequences."""
        readers = self.readers.get(name, [])
        alone = len(readers) == 1 and name not in self.outputs and readers[0].name in self.places
        return readers[0] if alone else None


def regions(module: Module) -> Iterator[Region]:
    """The regions of a module that end in one value, in the order of their starts."""
    uses = Uses(module)
    names = [value.name for value in module.net.inputs] + [op.name for op in uses.ops]
    for name in names:
        if uses.count(name) > 1 and name not in uses.outputs:
            found = _region(name, uses)
            if found is not None:
                yield from _extensions(found, uses)


def _region(start: str, uses: Uses) -> Region | None:
    """What lies between a value and the first one through which all goes that depends on it."""
    waiting = {start: uses.count(start)}
    found: list[Op] = []
    for op in uses.ops[uses.places.get(start, -1) + 1 :]:
        operands = set(op.operands)
        read = operands & waiting.keys()
        if not read:
            continue
        if read != operands:
            return None
        found.append(op)
        for name in read:
            waiting[name] -= 1
            if not waiting[name]:
                del waiting[name]
        waiting[op.name] = uses.count(op.name)
        if len(waiting) == 1:
            return Region(start, tuple(found))
    return None


def _extensions(region: Region, uses: Uses) -> Iterator[Region]:
    """The region with the scaling and activation behind it, and first with a layer whose weights take its end in."""
    ended = _until_activation(region, uses)
    if ended == region and isinstance(region.last, JOINS):
        layer = _with_layer(region, uses)
        if layer is not None:
            yield layer
    yield ended


def _until_activation(region: Region, uses: Uses) -> Region:
    """The region with what scales its result, up to an activation."""
    while (longer := _with(region, uses, nn.BatchNorm, nn.Affine)) is not None:
        region = longer
    return _with(region, uses, nn.Relu, nn.Clip) or region


def _with_layer(region: Region, uses: Uses) -> Region | None:
    """The region, a flattening, and a linear layer with its activation."""
    flat = _with(region, uses, nn.Reshape) or region
    layer = _with(flat, uses, nn.Dense, nn.Conv)
    return None if layer is None else _until_activation(layer, uses)


def _with(region: Region, uses: Uses, *kinds: type[Op]) -> Region | None:
    """The region and the op of one of these kinds that alone reads its result; None where there is none."""
    op = uses.only(region.last.name)
    return evolve(region, ops=(*region.ops, op)) if isinstance(op, kinds) else None
