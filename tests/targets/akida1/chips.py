# SPDX-License-Identifier: Apache-2.0
"""Small networks for the tests of limits and placement: weights are ones, one sequence holds all layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op, Sequence
from akc.ir.ops.akida import Layer, Location
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.weights import Weight
from tests.conformance.placement_networks import PlainBuilder


def network(shape: tuple[int, ...], dtype: str, *layers: tuple[Any, ...]) -> Module:
    """A sequence of layers: `("convolution", filters, kernel, weight type, {fields})`, as NetBuilder takes them."""

    net = PlainBuilder(np.random.default_rng(0), shape, dtype)
    for method, *args in layers:
        fields = args.pop() if isinstance(args[-1], dict) else {}
        getattr(net, method)(*args, **{"act_bits": 4, **fields})
    return in_sequence(net.module())


def in_sequence(module: Module) -> Module:
    """All layers of a module in one sequence, each from a node `node_<name>`."""
    ops = tuple(evolve(op, origin=(f"node_{op.name}",)) for op in module.net.ops)
    return module.with_statements([Sequence(name="s0", ops=ops)])


def from_text(module: Module) -> Module:
    """The same module as if a user had written it, with places in the text."""
    return parse(print_module(module), "net.akir")


def pinned(module: Module, **pins: list[Location]) -> Module:
    """The module with `at` of some layers."""

    def change(op: Op) -> Op:
        return evolve(op, at=tuple(pins[op.name])) if op.name in pins and isinstance(op, Layer) else op

    return module.map_ops(change)


def at(text: str) -> Location:
    """A place from its text, such as `cnp1(3, 1, 2, filters=0:8)`."""
    module = parse(
        "akir 1.0\n\nnet @n(%x: u4[8, 8, 4]) -> u4[8, 8, 64] {\n  sequence @s0 {\n"
        f"    %n1 = akida.convolutional(%x, weights=#w, act_bits=4, at=[{text}]) : u4[8, 8, 64]\n"
        '  }\n  return %n1\n}\n\nweights {\n  #w : i4[64, 1, 1, 4] = splat "1"\n}\n'
    )
    op = next(iter(module.net.ops))
    assert isinstance(op, Layer)
    return op.at[0]


def with_vector(module: Module, layer: str, field: str, weight: Weight) -> Module:
    """The module where `field` (threshold, act_step, weights) of a layer is another weight."""

    def change(op: Op) -> Op:
        return evolve(op, **{field: f"{layer}.{field}"}) if op.name == layer else op

    changed = evolve(module, weights={**module.weights, f"{layer}.{field}": weight})
    return changed.map_ops(change)
