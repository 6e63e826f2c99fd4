# SPDX-License-Identifier: Apache-2.0
"""A random ONNX graph while it grows: its values, computed by onnxruntime for one sample, and its stored numbers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import onnx
import onnxruntime
from attrs import define, field
from onnx import helper, numpy_helper

OLDEST, NEWEST = 7, min(onnx.defs.onnx_opset_version(), 26)
IR_VERSION = 10
LARGEST = 1e4
"""Values beyond are no longer what networks compute."""


class Unfit(Exception):
    """An operator that no value here can be given to."""


def session(model: Any) -> Any:
    """onnxruntime's, without its optimiser, on one core; quiet."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@define
class Builder:
    """r, n: random choices and numbers; values: what each computed name holds for one sample; stored: constants."""

    seed: int
    r: Random = field(init=False)
    n: Any = field(init=False)
    opset: int = field(init=False)
    values: dict[str, Any] = field(factory=dict)
    stored: dict[str, Any] = field(factory=dict)
    inputs: list[str] = field(factory=list)
    nodes: list[Any] = field(factory=list)
    named: int = 0

    def __attrs_post_init__(self) -> None:
        self.r, self.n = Random(self.seed), np.random.default_rng(self.seed)
        self.opset = self.r.randint(OLDEST, NEWEST)

    def name(self) -> str:
        """A name that is new."""
        self.named += 1
        return f"v{self.named}"

    # -- operands ---------------------------------------------------------------------------------

    def pick(self, *ranks: int, kinds: str = "f") -> str:
        """A value of one of these ranks (of any, where none is given), later ones more often. Raises Unfit."""
        fits = [v for v, x in self.values.items() if (not ranks or x.ndim in ranks) and x.dtype.kind in kinds]
        if not fits:
            raise Unfit
        return fits[-1] if self.r.random() < 0.7 else self.r.choice(fits)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value for one sample."""
        return tuple(self.values[name].shape)

    def like(self, name: str) -> str:
        """A value, or stored numbers, that can be joined with another. Raises Unfit."""
        shape = self.shape(name)
        others = [v for v, x in self.values.items() if x.dtype == self.values[name].dtype and _joins(x.shape, shape)]
        if self.r.random() < 0.5:
            return self.r.choice(others)
        cut = [n if self.r.random() < 0.6 else 1 for n in shape]
        if cut:
            cut[0] = 1
        return self.numbers(*cut[self.r.randint(0, len(cut)) :])

    def keep(self, array: Any) -> str:
        """Store numbers: an initialiser, or now and then a node Constant."""
        name, array = self.name(), np.asarray(array)
        self.stored[name] = array
        if self.r.random() < 0.15:
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name)))
        return name

    def numbers(self, *shape: int, size: float = 0.7) -> str:
        """Stored random floats."""
        return self.keep((self.n.standard_normal(shape) * size).astype(np.float32))

    def integers(self, *numbers: int) -> str:
        """Stored int64."""
        return self.keep(np.array(numbers, np.int64))

    def axes(self, name: str, key: str, since: int, axes: list[int]) -> tuple[list[str], dict[str, Any]]:
        """Axes, or other whole numbers, as an attribute before an opset and as an input from it on."""
        return ([name], {key: axes}) if self.opset < since else ([name, self.integers(*axes)], {})

    # -- nodes ------------------------------------------------------------------------------------

    def add(self, operator: str, inputs: list[str], results: int = 1, domain: str = "", **attributes: Any) -> list[str]:
        """Append a node that onnxruntime computes; raises Unfit where it cannot, or gives wild numbers."""
        given = {k: v for k, v in attributes.items() if v is not None}
        outputs = [self.name() for _ in range(results)]
        node = helper.make_node(operator, inputs, outputs, domain=domain, **given)
        known = {v: self.values[v] for v in dict.fromkeys(inputs) if v in self.values}
        try:
            made = session(self._model([node], known, outputs, batch=1)).run(None, known)
        except Exception as fault:
            raise Unfit from fault
        if any(not isinstance(x, np.ndarray) or not x.size or x.size > 3000 or _wild(x) for x in made):
            raise Unfit
        self.nodes.append(node)
        self.values.update(zip(outputs, made))
        return outputs

    def model(self, outputs: list[str]) -> Any:
        """The whole file; its batch is open or one."""
        batch: Any = self.r.choice(["n", "n", 1])
        return self._model(self.nodes, {v: self.values[v] for v in self.inputs}, outputs, batch)

    def _model(self, nodes: list[Any], inputs: dict[str, Any], outputs: list[str], batch: Any) -> Any:
        used = {name for node in nodes for name in node.input}
        defined = {name for node in nodes for name in node.output}
        kinds = {k: helper.np_dtype_to_tensor_dtype(x.dtype) for k, x in inputs.items()}
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(k, kinds[k], _open(x, batch)) for k, x in inputs.items()],
            [self._result(k) for k in outputs],
            [numpy_helper.from_array(x, k) for k, x in self.stored.items() if k in used and k not in defined],
        )
        domains = {node.domain for node in nodes if node.domain}
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(d, 1) for d in sorted(domains))]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _result(self, name: str) -> Any:
        found = self.values.get(name)
        if found is None:
            return onnx.ValueInfoProto(name=name)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(found.dtype), None)


def _open(array: Any, batch: Any) -> list[Any]:
    return [batch, *array.shape[1:]] if array.ndim else []


def _joins(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    return all(n == m or n == 1 or m == 1 for n, m in zip(x[::-1], y[::-1]))


def _wild(x: Any) -> bool:
    return x.dtype.kind == "f" and not (np.abs(x) < LARGEST).all()


Maker = Callable[[Builder], Any]
"""Adds a node of one operator; raises Unfit where nothing here fits it."""
