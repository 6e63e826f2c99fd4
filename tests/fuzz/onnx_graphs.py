# SPDX-License-Identifier: Apache-2.0
"""Random ONNX graphs over all operators that akc reads, opset 7 to the newest: each imports equal or is refused.

python -m tests.fuzz.onnx_graphs 20000 log.jsonl      # goes on where the log ends; prints what was refused, and why
"""

from __future__ import annotations

from typing import Any

import numpy as np

import akc
from akc.compiler.pipeline import Context
from akc.ir.module import Module
from akc.ir.ops.nn import Opaque
from tests.fuzz.logged import run
from tests.fuzz.onnx_building import Builder, Unfit, session
from tests.fuzz.onnx_nodes import MAKERS

MOST_NODES = 6
SHAPES = ((6,), (5, 4), (4, 6), (2, 6, 6), (4, 5, 7), (3, 8, 8), (2, 4, 4, 4))


def graph(seed: int) -> tuple[Any, dict[str, Any]]:
    """A model and one sample for it."""
    b = Builder(seed)
    for _ in range(b.r.choice([1, 1, 1, 1, 2])):
        name = f"in{len(b.inputs)}"
        shape = b.r.choice(SHAPES)
        kinds = b.r.choice(["float32"] * 9 + ["uint8"])
        drawn = b.n.uniform(-1, 1, (1, *shape)) if kinds == "float32" else b.n.integers(0, 256, (1, *shape))
        b.inputs.append(name)
        b.values[name] = drawn.astype(kinds)
        if kinds == "uint8":
            b.add("Cast", [name], to=1)
    wanted = b.r.randint(1, MOST_NODES)
    for _ in range(40):
        if wanted:
            try:
                MAKERS[b.r.choice(list(MAKERS))](b)
                wanted -= 1
            except Unfit:
                continue
    return b.model(_outputs(b)), {name: b.values[name] for name in b.inputs}


def _outputs(b: Builder) -> list[str]:
    made = [v for v in b.values if v not in b.inputs]
    read = {name for node in b.nodes for name in node.input}
    ends = [v for v in made if v not in read]
    if b.r.random() < 0.3:
        return ends[-3:]
    return list(dict.fromkeys(ends[-1:] + (b.r.sample(made, 1) if made and b.r.random() < 0.1 else [])))


def verdict(seed: int) -> str:
    """ "equal", or why the graph is refused; raises AssertionError where the import gives other answers."""
    model, sample = graph(seed)
    if not model.graph.output:
        return "no node fits"
    rounds = any("Q" in node.op_type for node in model.graph.node)
    limits = (-1.0, 1.0) if rounds and all(x.dtype == np.float32 for x in sample.values()) else None
    context = Context()
    try:
        module = akc.lower(model, pipeline="", host="allow", context=context, input_range=limits)
    except akc.DiagnosticError as refusal:
        first = refusal.diagnostics[0]
        assert first.code not in ("AKC0720", "AKC0722"), f"{refusal}"
        return f"{first.code} {_reason(first.message)}"
    unknown = [op.op for op in module.net.ops if isinstance(op, Opaque)]
    if unknown:
        return f"opaque: {unknown[0]}"
    line = context.checks.line()
    assert "import = " in line, line
    if not rounds:
        _compare(module, model, sample)
    return "equal"


def _reason(message: str) -> str:
    return " ".join(w for w in message.split() if not any(c.isdigit() for c in w))[:80]


def _compare(module: Module, model: Any, sample: dict[str, Any]) -> None:
    """Once more without the compiler's own check: one sample, in float32 on both sides, compared roughly."""
    theirs = session(model).run(None, sample)
    found = akc.run(module, _fed(module, model, sample))
    ours = [found[name] for name in module.net.outputs] if isinstance(found, dict) else [found]
    if len(ours) < len(theirs):  # the same value twice
        theirs = [x for i, x in enumerate(theirs) if not any(np.array_equal(x, y) for y in theirs[:i])]
    for own, other in zip(ours, theirs, strict=True):
        other = np.asarray(other, np.float64).reshape(-1)
        own = np.asarray(own, np.float64).reshape(-1)
        assert own.shape == other.shape, f"{own.shape} is not {other.shape}"
        if np.abs(own - other).max(initial=0) > 1e-3 * max(1, np.abs(other).max(initial=0)):
            raise AssertionError(f"the compiler's check says equal; {own[:6]} is not {other[:6]}")


def _fed(module: Module, model: Any, sample: dict[str, Any]) -> dict[str, Any]:
    """The sample by the import's own names; it has no inputs that nothing reads."""
    read = {n for node in model.graph.node for n in node.input} | {o.name for o in model.graph.output}
    fed = [x for name, x in sample.items() if name in read]
    return {v.name: x.reshape(1, *v.type.full_shape) for v, x in zip(module.net.inputs, fed, strict=True)}


if __name__ == "__main__":
    run(verdict)
