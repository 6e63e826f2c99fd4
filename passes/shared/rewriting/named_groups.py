# SPDX-License-Identifier: Apache-2.0
"""A network as it is refused: what only the host computes, alone or in groups, under the names that users know.

Attention is two matrix products around a softmax, squeeze-excite a product of a map and a gate that is computed
from it. One refusal for each is enough, so the whole group becomes one nn.opaque; what nothing reads any more goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from akc.ir.module import Module, Op, Statement
from akc.ir.ops import nn, nn_host

LAYOUT = (nn.Reshape, nn.Permute, nn_host.Slice)
BETWEEN = (nn.Softmax, nn.Affine, nn.Clip, nn_host.Add, nn_host.Mul, nn_host.Div)
"""What stands between the two products of attention: scale, mask, softmax."""
GATE = (
    nn.Dense, nn.Conv, nn.Relu, nn.Clip, nn.BatchNorm, nn.Affine, nn.Sigmoid, nn.Mean, nn.AveragePool, nn_host.Apply,
    *LAYOUT,
)  # fmt: skip
"""What stands between a map and the gate of a squeeze-excite block."""
LONGEST_GATE = 16


def with_named_groups(module: Module) -> Module:
    """The module with one nn.opaque for each layer or group of layers that needs the host; the same object if none."""
    if not any(isinstance(op, nn_host.HostLayer) or _is_product(op) for op in module.net.ops):
        return module
    for core in _attention_cores(module):
        if module.net.producer(core.name) is not None:
            module = _without_attention(module, core)
    products = [op for op in module.net.ops if isinstance(op, nn_host.Mul)]
    gated = {op.name: found for op in products if (found := _gated_map(op, module) or _gated_half(op, module))}

    inner = _between_layers(module)

    def change(op: Op) -> Op:
        if op.name in gated:
            name, value = gated[op.name]
            return _opaque(op, name, (value,))
        if not isinstance(op, nn_host.HostLayer) or (op.border and op.name not in inner):
            return op
        parts = [o for o in module.net.uses(op.operands[0]) if isinstance(o, nn_host.Slice)]
        return _opaque(op, "split" if op in parts and len(parts) > 1 else op.layer_name, op.operands)

    return _live(module.map_ops(change))


def _between_layers(module: Module) -> set[str]:
    """Values that come from a layer and go to a layer."""
    behind: set[str] = set()
    for op in module.net.ops:
        if isinstance(op, nn.Dense | nn.Conv) or behind.intersection(op.operands):
            behind.add(op.name)
    ahead: set[str] = set()
    for op in reversed(list(module.net.ops)):
        if isinstance(op, nn.Dense | nn.Conv) or op.name in ahead:
            ahead.update(op.operands)
    return behind & ahead


def _opaque(op: Op, name: str, inputs: tuple[str, ...]) -> nn.Opaque:
    return nn.Opaque(
        result=op.result, inputs=inputs, op=name, origin=op.origin, comments=op.comments, spans=op.spans
    )  # fmt: skip


def _live(module: Module) -> Module:
    """The module without operations that no output needs."""
    needed = set(module.net.outputs)
    kept: list[Statement] = []
    for statement in reversed(module.net.statements):
        ops = (statement,) if isinstance(statement, Op) else statement.ops
        if needed.intersection(op.name for op in ops):
            needed.update(name for op in ops for name in op.operands)
            kept.append(statement)
    return module.with_statements(kept[::-1])


# -- gates -------------------------------------------------------------------------------------------


def _gated_map(op: nn_host.Mul, module: Module) -> tuple[str, str] | None:
    """squeeze-excite: a map times numbers that are computed from the map itself."""
    for value, gate in ((op.x, op.y), (op.y, op.x)):
        smaller = module.net.types[gate].size < module.net.types[value].size
        if smaller and _behind_layout(value, module) in _sources(gate, module):
            return "squeeze-excite", value
    return None


def _gated_half(op: nn_host.Mul, module: Module) -> tuple[str, str] | None:
    """GLU: one half of a value, times the sigmoid of the other half."""
    for value, gate in ((op.x, op.y), (op.y, op.x)):
        half, sigmoid = module.net.producer(value), module.net.producer(gate)
        other = module.net.producer(sigmoid.x) if isinstance(sigmoid, nn.Sigmoid) else None
        if isinstance(half, nn_host.Slice) and isinstance(other, nn_host.Slice) and half.x == other.x:
            return "GLU", half.x
    return None


def _behind_layout(value: str, module: Module) -> str:
    while isinstance(op := module.net.producer(value), nn.Reshape | nn.Permute):
        value = op.x
    return value


def _sources(gate: str, module: Module) -> Iterator[str]:
    """The values that a gate is computed from, one layer after the other."""
    for _ in range(LONGEST_GATE):
        op = module.net.producer(gate)
        if not isinstance(op, GATE):
            return
        gate = op.operands[0]
        yield gate


# -- attention ---------------------------------------------------------------------------------------


def _is_product(op: Op) -> bool:
    """Whether an op multiplies two computed values; one whose batch lies among the heads has no operation."""
    return isinstance(op, nn_host.MatMul) or (isinstance(op, nn.Opaque) and op.op == nn_host.MatMul.layer_name)


def _attention_cores(module: Module) -> list[Op]:
    """Products of which one factor is a softmax of another product."""
    products = [op for op in module.net.ops if _is_product(op)]
    return [op for op in products if any(_is_scores(value, module) for value in op.operands)]


def _is_scores(value: str, module: Module) -> bool:
    """Whether a value is a softmax, perhaps of scaled and masked products of two computed values."""
    waiting, seen, softmax = [value], set(), False
    while waiting:
        op = module.net.producer(waiting.pop())
        if op is None or op.name in seen:
            continue
        seen.add(op.name)
        softmax |= isinstance(op, nn.Softmax)
        if softmax and _is_product(op):
            return True
        if isinstance(op, BETWEEN + LAYOUT):
            waiting += op.operands
    return False


def _without_attention(module: Module, core: Op) -> Module:
    """The module with one nn.opaque in place of a core, with the splitting and joining of its heads."""
    group = _attention_group(module, core)
    last: Op = core
    while len(readers := module.net.uses(last.name)) == 1 and last.name not in module.net.outputs:
        if not isinstance(readers[0], LAYOUT):
            break
        last = readers[0]
    names = {op.name for op in group}
    inputs = dict.fromkeys(name for op in group for name in op.operands if name not in names)
    named = evolve(_opaque(core, "attention", tuple(inputs)), result=last.result)
    return _live(module.map_ops(lambda op: named if op is last else op))


def _attention_group(module: Module, core: Op) -> list[Op]:
    """The core and everything in front of it that only scales, masks, moves or multiplies computed values."""
    group: list[Op] = [core]
    waiting, scores = list(core.operands), False
    while waiting:
        op = module.net.producer(waiting.pop(0))
        if op is None or op in group:
            continue
        inner = _is_product(op) and not scores
        scaled = isinstance(op, nn.Affine) and isinstance(op.scale, float)
        if inner or isinstance(op, (*LAYOUT, nn.Softmax)) or scaled or (isinstance(op, BETWEEN) and not scores):
            group.append(op)
            waiting += op.operands
        scores |= inner
    return group
