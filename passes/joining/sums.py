# SPDX-License-Identifier: Apache-2.0
"""Values of a branch as sums of convolutions of atoms.

An atom is a map that a layer of the chip hands on: the value that the branches start from, or what an activation
gives. Every other value in between is a sum of convolutions of atoms and a bias; sums, concatenations, slices,
scalings and 1x1 convolutions of such sums are such sums. Maps are [d0, d1, channels]; a vector is a map of one cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Op
from akc.passes.shared.rewriting.rewrite import Floats

Pair = tuple[int, ...]
Shape = tuple[int, ...]


@frozen(eq=False)
class Term:
    """A convolution of one atom.

    taps: [rows, k0, k1, channels], or [channels, k0, k1, 1] where depthwise; row r belongs to channel r of the sum.
    front: zeros before d0 and d1; those behind follow from the shapes.
    """

    atom: Atom
    taps: Floats
    depthwise: bool = False
    stride: Pair = (1, 1)
    front: Pair = (0, 0)

    @property
    def kernel(self) -> Pair:
        """Cells on d0 and d1."""
        return self.taps.shape[1:3]

    @property
    def pointwise(self) -> bool:
        """Whether it reads the very cell that it gives."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.front == (0, 0)

    @property
    def full(self) -> Floats:
        """[rows, k0, k1, channels]."""
        if not self.depthwise:
            return self.taps
        wide = np.zeros((*self.taps.shape[:3], len(self.taps)))
        wide[np.arange(len(wide)), :, :, np.arange(len(wide))] = self.taps[:, :, :, 0]
        return wide

    def scaled(self, scale: Floats) -> Term:
        """Row r times scale[r]."""
        return evolve(self, taps=self.taps * scale[:, None, None, None])

    def placed(self, first: int, rows: int) -> Term:
        """Its rows among more, which are 0, from row `first` on."""
        full = self.full
        wide = np.zeros((rows, *full.shape[1:]))
        wide[first : first + len(full)] = full
        return evolve(self, taps=wide, depthwise=False)


@frozen(eq=False, kw_only=True)
class Sum:
    """A value: terms and bias. shape: of the map; flat: whether the network has it as a vector."""

    shape: Shape
    terms: tuple[Term, ...]
    bias: Floats
    flat: bool = False

    @property
    def pointwise(self) -> bool:
        """Whether every cell is a linear function of the same cell of atoms."""
        return not self.bias.any() and all(term.pointwise for term in self.terms)

    @property
    def nonnegative(self) -> bool:
        """Whether nothing below 0 can come out of atoms of 0 or more."""
        atoms = all(not term.atom.signed and (term.taps >= 0).all() for term in self.terms)
        return atoms and bool((self.bias >= 0).all())

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms that it needs."""
        return tuple(dict.fromkeys(term.atom for term in self.terms))


@frozen(eq=False, kw_only=True)
class Atom:
    """A map that a layer hands on.

    made: what the activation gets; None for the value that all starts from. top: the largest value that the
    activation lets through, infinity for a ReLU; None for a last sum without one. signed: whether values below 0 are
    possible. level: the layer that makes it; the start is 0. rounded: whether the activation gives whole levels.
    ops: the source's operations in it.
    """

    shape: Shape
    made: Sum | None = None
    top: float | None = None
    signed: bool = False
    flat: bool = False
    level: int = 0
    rounded: bool = False
    ops: tuple[Op, ...] = ()

    @property
    def channels(self) -> int:
        """Length of the last axis."""
        return self.shape[2]

    @property
    def whole(self) -> Sum:
        """The atom as a value."""
        term = Term(self, np.ones((self.channels, 1, 1, 1)), True)
        return Sum(shape=self.shape, terms=(term,), bias=np.zeros(self.channels), flat=self.flat)

    @property
    def difference(self) -> Sum:
        """The first half of its channels less the second: what two sides apart stand for."""
        half = self.channels // 2
        taps = np.concatenate([np.eye(half), -np.eye(half)], axis=1)[:, None, None, :]
        shape = (*self.shape[:2], half)
        return Sum(shape=shape, terms=(Term(self, taps),), bias=np.zeros(half), flat=self.flat)


def atom_of(value: Sum, top: float | None, ops: tuple[Op, ...], rounded: bool = False) -> Atom:
    """What an activation makes of a sum, one layer behind the last of its atoms."""
    level = 1 + max((atom.level for atom in value.atoms), default=0)
    return Atom(
        shape=value.shape, made=value, top=top, signed=top is None, flat=value.flat, level=level, rounded=rounded,
        ops=ops,
    )  # fmt: skip


def both_sides(value: Sum, ops: tuple[Op, ...]) -> Sum:
    """A value of either sign as the difference of an atom's halves, which are relu(x) and relu(-x)."""
    opposite = scaled(value, -np.ones(len(value.bias)), np.zeros(len(value.bias)))
    return atom_of(stacked([value, opposite]), np.inf, ops).difference


def added(values: Sequence[Sum], signs: Sequence[float]) -> Sum:
    """The sum of values, each times its sign."""
    terms = tuple(evolve(t, taps=t.taps * sign) for value, sign in zip(values, signs) for t in value.terms)
    bias = np.sum([value.bias * sign for value, sign in zip(values, signs)], axis=0)
    return evolve(values[0], terms=terms, bias=bias)


def stacked(values: Sequence[Sum]) -> Sum:
    """Values one behind the other along the channels."""
    rows = sum(len(value.bias) for value in values)
    terms: list[Term] = []
    first = 0
    for value in values:
        terms += [term.placed(first, rows) for term in value.terms]
        first += len(value.bias)
    shape = (*values[0].shape[:2], rows)
    return evolve(values[0], shape=shape, terms=tuple(terms), bias=np.concatenate([v.bias for v in values]))


def part(value: Sum, rows: slice) -> Sum:
    """Some channels; terms that have no share in them go."""
    terms = tuple(evolve(t, taps=t.full[rows], depthwise=False) for t in value.terms)
    bias = value.bias[rows]
    kept = tuple(t for t in terms if t.taps.any())
    return evolve(value, shape=(*value.shape[:2], len(bias)), terms=kept or terms[:1], bias=bias)


def scaled(value: Sum, scale: Floats, shift: Floats) -> Sum:
    """value * scale + shift, [channels] each."""
    return evolve(value, terms=tuple(t.scaled(scale) for t in value.terms), bias=value.bias * scale + shift)


@frozen(eq=False, kw_only=True)
class Window:
    """A linear layer: taps [filters, k0, k1, channels] or depthwise [channels, k0, k1, 1], bias, and where it lies."""

    taps: Floats
    bias: Floats
    depthwise: bool
    stride: Pair
    front: Pair
    padded: bool
    shape: Shape
    flat: bool = False

    @property
    def pointwise(self) -> bool:
        """Whether it reads the very cell that it gives."""
        return self.taps.shape[1:3] == (1, 1) and self.stride == (1, 1) and not self.padded


def convolved(value: Sum, layer: Window) -> Sum | None:
    """A layer on a value; None where its windows meet those of the value's own terms."""
    pointwise = all(term.pointwise for term in value.terms)
    if (value.bias.any() and layer.padded) or not (pointwise or layer.pointwise):
        return None
    lies: dict[str, Any] = {} if layer.pointwise else {"stride": layer.stride, "front": layer.front}
    terms = tuple(evolve(term, taps=taps, depthwise=depthwise, **lies)
                  for term in value.terms for taps, depthwise in (_composed(layer, term),))  # fmt: skip
    if layer.depthwise:
        bias = layer.bias + layer.taps.sum(axis=(1, 2, 3)) * value.bias
    else:
        bias = layer.bias + layer.taps.sum(axis=(1, 2)) @ value.bias
    return Sum(shape=layer.shape, terms=terms, bias=bias, flat=layer.flat)


def _composed(layer: Window, term: Term) -> tuple[Floats, bool]:
    """Taps of a layer behind a term, and whether they are depthwise; one of both is pointwise."""
    if layer.depthwise and layer.pointwise:
        return term.taps * layer.taps[:, :1, :1, :1], term.depthwise
    if layer.pointwise:
        return np.einsum("fc,ckla->fkla", layer.taps[:, 0, 0, :], term.full, optimize=True), False
    if term.depthwise:
        scale = term.taps[:, 0, 0, 0]
        return layer.taps * (scale[:, None, None, None] if layer.depthwise else scale), layer.depthwise
    if layer.depthwise:
        return layer.taps * term.taps, False
    return np.einsum("fklc,ca->fkla", layer.taps, term.taps[:, 0, 0, :], optimize=True), False
