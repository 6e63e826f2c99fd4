# SPDX-License-Identifier: Apache-2.0
"""A sum as layers in a row: each computes what it can, and hands on what a later one needs."""

from __future__ import annotations

from math import prod

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Op
from akc.passes.joining.sums import Atom, Pair, Shape, Sum, Term, atom_of
from akc.passes.joining.trace import Obstacle
from akc.passes.shared.rewriting.rewrite import Floats

Piece = tuple[Atom, list[Term]]
"""An atom of a layer's result, and what the layer computes it from."""


@frozen(eq=False, kw_only=True)
class Layer:
    """One layer: taps [filters, k0, k1, channels], or [channels, k0, k1, 1] where depthwise.

    front: zeros before d0 and d1; before, shape: the maps that it reads and gives; top: of its activation, None where
    there is none; rounded: whether that gives whole levels; carried: filters that hand on what they read; flat: whether
    it reads its map as a vector; ops: the source's operations in it.
    """

    taps: Floats
    bias: Floats
    stride: Pair
    front: Pair
    before: Shape
    shape: Shape
    top: float | None
    rounded: bool
    carried: int
    depthwise: bool
    flat: bool
    ops: tuple[Op, ...]


@frozen(eq=False)
class Plan:
    """Levels of a region. wanted: the result; atoms: all that it needs; depth: the number of layers."""

    wanted: Sum
    atoms: tuple[Atom, ...]
    depth: int
    strides: tuple[Pair, ...]

    def stride(self, first: int, last: int) -> Pair:
        """Steps of layers first to last together."""
        steps = self.strides[first - 1 : last]
        return tuple(prod(step[a] for step in steps) for a in (0, 1))

    def last_use(self, atom: Atom) -> int:
        """The last level whose map must hold an atom."""
        used = [other.level - 1 for other in self.atoms if other.made and atom in other.made.atoms]
        return max([self.depth] * (atom in self.wanted.atoms) + used, default=0)

    def held(self, level: int) -> list[Atom]:
        """The atoms in the map that layer `level` gives."""
        return [atom for atom in self.atoms if atom.level <= level <= self.last_use(atom)]


def is_selection(value: Sum) -> bool:
    """Whether each channel is one of an atom's."""
    if not value.pointwise or any(term.atom.signed for term in value.terms):
        return False
    taps = np.concatenate([term.full[:, 0, 0, :] for term in value.terms], axis=1)
    return bool(((taps == 0) | (taps == 1)).all() and (taps.sum(axis=1) == 1).all())


def plan_of(value: Sum, ops: tuple[Op, ...]) -> Plan:
    """The levels for a value; raises Obstacle where strides or maps do not go together."""
    if not is_selection(value):
        value = atom_of(value, np.inf if value.nonnegative else None, ops).whole
    atoms = tuple(sorted(_needed(value), key=lambda atom: atom.level))
    depth = max(atom.level for atom in atoms)
    plan = Plan(value, atoms, depth, ())
    for level in range(1, depth + 1):
        plan = evolve(plan, strides=(*plan.strides, _stride(plan, level)))
    for term in value.terms:
        if plan.stride(term.atom.level + 1, depth) != (1, 1):
            raise Obstacle("a branch with a stride joins one without")
    return plan


def _needed(value: Sum) -> tuple[Atom, ...]:
    """The atoms of a value, and theirs, in an order that is the same every time."""
    found: dict[Atom, None] = {}
    waiting = list(value.atoms)
    while waiting:
        atom = waiting.pop(0)
        if atom not in found:
            found[atom] = None
            waiting += atom.made.atoms if atom.made else ()
    return tuple(found)


def _stride(plan: Plan, level: int) -> Pair:
    """The steps of a layer, the same for all that it computes."""
    steps: set[Pair] = set()
    for atom in plan.atoms:
        if atom.level == level and atom.made is not None:
            steps |= {_step(plan, term, level) for term in atom.made.terms}
    if len(steps) != 1:
        raise Obstacle("its branches have their strides at different depths")
    return steps.pop()


def _step(plan: Plan, term: Term, level: int) -> Pair:
    """What is left of a term's stride behind the layers that carried its atom."""
    taken = plan.stride(term.atom.level + 1, level - 1)
    if taken == (1, 1):
        return term.stride
    if term.kernel != (1, 1) or any(term.front) or any(s % t for s, t in zip(term.stride, taken)):
        raise Obstacle("a kernel larger than 1x1 reads a map of which only every second cell is carried")
    return tuple(s // t for s, t in zip(term.stride, taken))


def layers_of(plan: Plan) -> list[Layer]:
    """The layers of a plan; raises Obstacle where one would need two kinds of activation, or a carried map is cut."""
    held = [plan.held(0)]
    layers: list[Layer] = []
    for level in range(1, plan.depth + 1):
        layer, order = _layer(plan, level, held[-1])
        layers.append(layer)
        held.append(order)
    return [*layers[:-1], _arranged(layers[-1], held[-1], plan)]


def _width(atom: Atom, level: int) -> int:
    """Channels that an atom takes behind a layer: one below 0, too, goes on as both sides."""
    return atom.channels * (2 if atom.signed and level > atom.level else 1)


def _layer(plan: Plan, level: int, before: list[Atom]) -> tuple[Layer, list[Atom]]:
    """One layer, and the atoms in the order of its filters. before: those in the order of what it reads."""
    now, stride = plan.held(level), plan.strides[level - 1]
    new = [atom for atom in now if atom.level == level]
    kept = [atom for atom in now if atom.level < level]
    _check_sizes(plan, level, new, kept)
    pieces = [(atom, _terms(plan, atom, level)) for atom in new]
    pieces += [(atom, [Term(atom, np.ones((_width(atom, level), 1, 1, 1)), True, stride)]) for atom in kept]
    ordered = _depthwise_order(pieces, before)
    taps, front = _full(pieces, before, level) if ordered is None else _depthwise(ordered)
    order = [atom for atom, _ in ordered or pieces]
    top, rounded = _activation(new, kept)
    layer = Layer(
        taps=taps,
        bias=_bias(order, level),
        stride=stride,
        front=front,
        before=(*_size(plan, before[0], level - 1), sum(_width(atom, level - 1) for atom in before)),
        shape=(*new[0].shape[:2], sum(_width(atom, level) for atom in now)),
        top=top,
        rounded=rounded,
        carried=sum(_width(atom, level) for atom in kept),
        depthwise=ordered is not None,
        flat=new[0].flat,
        ops=tuple(dict.fromkeys(op for atom in new for op in atom.ops)),
    )
    return layer, order


def _check_sizes(plan: Plan, level: int, new: list[Atom], kept: list[Atom]) -> None:
    """Raise Obstacle where the parts of a map would be of different sizes."""
    sizes = {atom.shape[:2] for atom in new} | {_size(plan, atom, level) for atom in kept}
    if len(sizes) > 1:
        raise Obstacle("its branches give maps of different sizes at the same depth")
    if new[0].flat and prod(sizes.pop()) > 1:
        raise Obstacle("it ends in a flattened map", own=False)


def _size(plan: Plan, atom: Atom, level: int) -> Shape:
    """Cells of an atom behind a layer that carries it."""
    steps = plan.stride(atom.level + 1, level)
    return tuple(-(-n // s) for n, s in zip(atom.shape, steps))


def _terms(plan: Plan, atom: Atom, level: int) -> list[Term]:
    """The terms of an atom, with the strides that are left of theirs."""
    assert atom.made is not None
    return [evolve(term, stride=_step(plan, term, level)) for term in atom.made.terms]


def _activation(new: list[Atom], kept: list[Atom]) -> tuple[float | None, bool]:
    """The activation of a layer: where it ends, and whether it gives whole levels."""
    kinds = {(atom.top, atom.rounded) for atom in new}
    if len(kinds) > 1:
        raise Obstacle("its branches have different activations at the same depth")
    top, rounded = kinds.pop()
    if rounded and not all(atom.rounded for atom in kept):
        raise Obstacle("a layer of spikes would round what it carries")
    if top is not None and any(atom.top is None or atom.top > top for atom in kept):
        raise Obstacle(f"a layer that cuts at {top:g} would cut what it carries")
    return top, rounded


def _bias(order: list[Atom], level: int) -> Floats:
    parts = [
        atom.made.bias if atom.level == level and atom.made is not None else np.zeros(_width(atom, level))
        for atom in order
    ]
    return np.concatenate(parts)


def _depthwise_order(pieces: list[Piece], before: list[Atom]) -> list[Piece] | None:
    """The pieces in the order of what they read, if each reads one map of its own channel by channel."""
    read: dict[Atom, Piece] = {}
    for atom, terms in pieces:
        if len(terms) != 1 or not terms[0].depthwise or terms[0].atom in read:
            return None
        read[terms[0].atom] = (atom, terms)
    signed = any(atom.signed for atom in read)
    trivial = all(terms[0].kernel == (1, 1) for _, terms in pieces)
    return None if trivial or set(read) != set(before) or signed else [read[atom] for atom in before]


def _around(terms: list[Term]) -> tuple[Pair, Pair]:
    """The cells that all terms together reach on d0 and d1, and the zeros in front."""
    front = tuple(max(t.front[a] for t in terms) for a in (0, 1))
    return tuple(max(front[a] - t.front[a] + t.kernel[a] for t in terms) for a in (0, 1)), front


def _cells(term: Term, front: Pair) -> tuple[slice, ...]:
    """Where a term's kernel stands in the common one."""
    first = [front[a] - term.front[a] for a in (0, 1)]
    return tuple(slice(first[a], first[a] + term.kernel[a]) for a in (0, 1))


def _depthwise(pieces: list[Piece]) -> tuple[Floats, Pair]:
    """Taps [channels, k0, k1, 1] with the smaller kernels around the middle of the larger ones."""
    terms = [terms[0] for _, terms in pieces]
    size, front = _around(terms)
    taps = np.zeros((sum(len(t.taps) for t in terms), *size, 1))
    first = 0
    for term in terms:
        taps[(slice(first, first + len(term.taps)), *_cells(term, front))] = term.taps
        first += len(term.taps)
    return taps, front


def _full(pieces: list[Piece], before: list[Atom], level: int) -> tuple[Floats, Pair]:
    """Taps of all pieces over all channels in front."""
    columns = dict(zip(before, np.cumsum([0, *(_width(atom, level - 1) for atom in before)])))
    width = sum(_width(atom, level - 1) for atom in before)
    size, front = _around([term for _, terms in pieces for term in terms])
    taps = np.zeros((sum(_width(atom, level) for atom, _ in pieces), *size, width))
    first = 0
    for atom, terms in pieces:
        rows = slice(first, first + _width(atom, level))
        for term in terms:
            full, column = _sided(term, level).full, columns[term.atom]
            taps[(rows, *_cells(term, front), slice(column, column + full.shape[3]))] += full
        first = rows.stop
    return taps, front


def _sided(term: Term, level: int) -> Term:
    """A term on the channels that its atom takes in front of a layer, and gives where it is carried."""
    atom = term.atom
    if not atom.signed:
        return term
    carried_on = term.depthwise and len(term.taps) == 2 * atom.channels
    if level - 1 > atom.level:
        return term if carried_on else evolve(term, taps=np.concatenate([term.full, -term.full], 3), depthwise=False)
    eye = np.eye(atom.channels)
    both = np.concatenate([eye, -eye])[:, None, None, :]
    return evolve(term, taps=both, depthwise=False) if carried_on else term


def _arranged(layer: Layer, order: list[Atom], plan: Plan) -> Layer:
    """The last layer, its filters in the order of the result's channels."""
    first = dict(zip(order, np.cumsum([0, *(atom.channels for atom in order)])))
    rows = np.zeros(len(plan.wanted.bias), np.int64)
    for term in plan.wanted.terms:
        channel, source = np.nonzero(term.full[:, 0, 0, :])
        rows[channel] = first[term.atom] + source
    if np.array_equal(rows, np.arange(len(layer.bias))):
        return layer
    taps = layer.taps
    if layer.depthwise:
        taps = Term(order[0], layer.taps, True).full
    shape = (*layer.shape[:2], len(rows))
    return evolve(layer, taps=taps[rows], bias=layer.bias[rows], shape=shape, depthwise=False)
