# SPDX-License-Identifier: Apache-2.0
"""A float network as the chip sees it: groups of operations that become one layer each, in a row.

A group is a core (dense, convolution, or depthwise and pointwise convolution), and behind it a pool
and an activation in either order. What fits into no group is an op for the host.
"""

from __future__ import annotations

from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn

ACTIVATIONS = (nn.Relu, nn.Clip)
POOLS = (nn.MaxPool, nn.Mean)


@frozen(kw_only=True)
class Group:
    """The operations of one chip layer.

    flatten: a reshape to a vector in front of a dense core, or None; core: the layer; pointwise: the 1x1
    convolution behind a depthwise core; pool, activation: None where absent; left_over: ops behind that were
    part of the group and are the host's now.
    """

    core: nn.Dense | nn.Conv
    flatten: nn.Reshape | None = None
    pointwise: nn.Conv | None = None
    pool: nn.MaxPool | nn.Mean | None = None
    activation: nn.Relu | nn.Clip | None = None
    ops: tuple[Op, ...] = ()
    left_over: tuple[Op, ...] = ()

    @property
    def last(self) -> Op:
        """The op whose result the group gives."""
        return self.ops[-1]

    @property
    def filters_op(self) -> nn.Dense | nn.Conv:
        """The op that makes the output channels."""
        return self.pointwise or self.core

    @property
    def depthwise(self) -> bool:
        """Whether the core is a depthwise convolution."""
        return isinstance(self.core, nn.Conv) and self.core.groups > 1


@frozen(kw_only=True)
class Segment:
    """Layers that follow each other without a host op.

    source: the float value that is quantised; groups: at least one.
    """

    source: str
    groups: tuple[Group, ...]


@frozen(kw_only=True)
class Chain:
    """A whole net: ops that the host runs, and segments for the chip, each where its first layer stands."""

    parts: tuple[Op | Segment, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The parts for the chip."""
        return tuple(p for p in self.parts if isinstance(p, Segment))

    @property
    def groups(self) -> tuple[Group, ...]:
        """The layers of all segments."""
        return tuple(g for s in self.segments for g in s.groups)


def split(module: Module) -> Chain:
    """Group the operations of a float net into chip layers and host ops, whether the chip can take them or not.

    Sequences and host ops that are there already are no parts.
    """
    return Chain(parts=tuple(_Walk(module).parts()))


class _Walk:
    """One pass over the statements."""

    def __init__(self, module: Module) -> None:
        self.module, self.net = module, module.net
        self.ops = [s for s in module.net.statements if isinstance(s, Op)]
        self.taken: set[str] = set()
        self.readers: dict[str, list[Op]] = {}
        for op in module.net.ops:
            for name in dict.fromkeys(op.operands):
                self.readers.setdefault(name, []).append(op)

    def parts(self) -> list[Op | Segment]:
        parts: list[Op | list[Group]] = []
        ends: dict[str, int] = {}
        for op in self.ops:
            if op.name in self.taken:
                continue
            group = self.group(op)
            if group is None:
                parts.append(op)
                continue
            self.taken |= {o.name for o in group.ops}
            source = group.ops[0].operands[0]
            place = ends.pop(source) if source in ends and self.user(source) is not None else len(parts)
            before = parts[place] if place < len(parts) else None
            if isinstance(before, list):
                before.append(group)
            else:
                parts.append([group])
            ends[group.last.name] = place
        return [part if isinstance(part, Op) else _segment(part) for part in parts]

    def user(self, name: str) -> Op | None:
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.net.outputs else None

    def group(self, op: Op) -> Group | None:
        """The group that starts at an op, or None."""
        flatten = op if isinstance(op, nn.Reshape) and len(op.shape) == 1 and self.inner(op) else None
        core = self.user(op.name) if flatten is not None else op
        if not isinstance(core, nn.Dense | nn.Conv) or (isinstance(core, nn.Conv) and flatten is not None):
            return None
        ops: list[Op] = [core] if flatten is None else [flatten, core]
        group = Group(core=core, flatten=flatten)
        if group.depthwise:
            group = self.with_pointwise(group, ops)
        for _ in range(2):
            group = self.extended(group, ops)
        return evolve(group, ops=tuple(ops))

    def inner(self, op: nn.Reshape) -> bool:
        """Whether a reshape stands behind a layer, not at the front of the net."""
        x = self.net.producer(op.x)
        return isinstance(x, (nn.Dense, nn.Conv, *ACTIVATIONS, *POOLS))

    def with_pointwise(self, group: Group, ops: list[Op]) -> Group:
        behind = self.user(ops[-1].name)
        if not isinstance(behind, nn.Conv) or not is_pointwise(behind, self.module):
            return group
        ops.append(behind)
        return evolve(group, pointwise=behind)

    def extended(self, group: Group, ops: list[Op]) -> Group:
        behind = self.user(ops[-1].name)
        if isinstance(behind, POOLS) and group.pool is None and self.may_pool(group, behind):
            ops.append(behind)
            return evolve(group, pool=behind)
        if isinstance(behind, ACTIVATIONS) and group.activation is None:
            ops.append(behind)
            return evolve(group, activation=behind)
        return group

    def may_pool(self, group: Group, pool: Op) -> bool:
        """A mean is taken of potentials, so it does not go behind an activation; a maximum does."""
        if not isinstance(group.core, nn.Conv):
            return False
        return not isinstance(pool, nn.Mean) or (group.activation is None and pool.axes == (0, 1))


def _segment(groups: list[Group]) -> Segment:
    return Segment(source=groups[0].ops[0].operands[0], groups=tuple(groups))


def is_pointwise(conv: nn.Conv, module: Module) -> bool:
    """Whether a convolution is 1x1 with stride 1, no padding and one group."""
    kernel = module.weights[conv.weight].type.shape[1:3]
    return kernel == (1, 1) and conv.groups == 1 and conv.stride == (1, 1) and not any(conv.pad)


def without_pool(group: Group) -> Group | None:
    """The group up to its activation, if a pool follows that."""
    if group.pool is None or group.activation is None or group.ops[-1] is not group.pool:
        return None
    return evolve(group, pool=None, ops=group.ops[:-1], left_over=group.ops[-1:])
