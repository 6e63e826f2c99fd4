# SPDX-License-Identifier: Apache-2.0
"""Running a net on calibration samples, value by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from akc.base.diagnostics import error
from akc.ir.module import Module, Net, Op
from akc.sim.registry import DELAYED, STATEFUL, WHOLE, evaluate_op, find_rule
from akc.sim.run import Runner

Array = npt.NDArray[Any]


def sample_inputs(module: Module, samples: Mapping[str, Array], limit: int) -> dict[str, Array]:
    """The first `limit` samples of each input of the net, float32, [batch, ...]; raises AKC0410."""
    arrays: dict[str, Array] = {}
    for value in module.net.inputs:
        array = samples.get(value.name)
        if array is None or array.shape[1:] != value.type.full_shape:
            found = "no samples" if array is None else f"samples of shape {list(array.shape[1:])}"
            raise error(
                "AKC0410",
                f"%{value.name} is {value.type}, there are {found} for it",
                help="give arrays named like the inputs, batch axis first",
            )
        arrays[value.name] = np.asarray(array[:limit], np.float32)
    return arrays


def values(module: Module, inputs: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Every value of a net by name, in order, for inputs [batch, ...].

    A value is forgotten after its last reader has run. A net with neurons or feedback runs as a whole.
    """
    net = module.net
    if any(find_rule(STATEFUL, op) or find_rule(DELAYED, op) for op in net.ops):
        found = Runner(module).run(inputs, keep=True)
        yield from ((name, found[name]) for name in (*inputs, *(op.name for op in net.ops)) if name in found)
        return
    last_reader = {name: op.name for op in net.ops for name in op.operands}
    kept: dict[str, Array] = dict(inputs)
    yield from inputs.items()
    for op in net.ops:
        result = _evaluate(op, [kept[name] for name in op.operands], module)
        kept = {name: array for name, array in kept.items() if last_reader.get(name) != op.name}
        kept[op.name] = result
        yield op.name, result


class Stream:
    """Values on samples, asked for by name in any order and as often as `wanted` holds the name."""

    def __init__(self, found: Iterator[tuple[str, Array]], wanted: Iterable[str]) -> None:
        self.found, self.left = found, Counter(wanted)
        self.kept: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        while name not in self.kept:
            key, array = next(self.found)
            if self.left[key]:
                self.kept[key] = array
        self.left[name] -= 1
        return self.kept[name] if self.left[name] > 0 else self.kept.pop(name)


def evaluate_alone(op: Op, operands: list[Array], module: Module) -> Array:
    """The result of an operation that stands in no net yet; `module` has its weights."""
    net = Net(name="one", inputs=(), statements=(op,), outputs=(op.name,), output_types=(op.type,))
    return _evaluate(op, operands, Module(net=net, weights=module.weights))


def _evaluate(op: Op, operands: list[Array], module: Module) -> Array:
    """The result of one operation; one that knows no time runs on all steps of all samples at once."""
    if op.type.steps is None or find_rule(WHOLE, op) is not None:
        return evaluate_op(op, operands, module)
    batch, steps = operands[0].shape[:2]
    result = evaluate_op(op, [a.reshape(batch * steps, *a.shape[2:]) for a in operands], module)
    return result.reshape(batch, steps, *result.shape[1:])
