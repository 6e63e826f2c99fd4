# SPDX-License-Identifier: Apache-2.0
"""Random convolutional networks as ONNX files, with every attribute of their operators, and what they compute."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.frontends.onnx.importer import read_onnx
from akc.ir.module import Module
from akc.ir.ops.nn import Opaque
from akc.passes import LEGALISE
from akc.sim.run import run

Array = np.ndarray[Any, Any]

OPSETS = range(11, 22)
SMALLEST = 5
"""Cells of an axis on which another window is put."""


class Refused(Exception):
    """onnxruntime does not take the model."""


def session_of(model: ModelProto) -> onnxruntime.InferenceSession:
    """A session on one thread; raises Refused."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as fault:
        raise Refused(str(fault)) from None


def answers(model: ModelProto, x: Array) -> Array:
    """What onnxruntime computes, sample by sample; raises Refused."""
    session = session_of(model)
    try:
        return np.concatenate([session.run(None, {"x": sample[None]})[0] for sample in x])
    except Exception as fault:
        raise Refused(str(fault)) from None


class Drawing:
    """A network while it is drawn: nodes, weights, and the shape of the last value (without its batch axis)."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.opset = int(self.random.choice(OPSETS))
        axes = 1 if self.random.random() < 0.2 else 2
        channels = int(self.random.choice([1, 3, 4, 6]))
        self.shape: tuple[int, ...] = (channels, *(int(n) for n in self.random.integers(9, 19, axes)))
        self.input = self.shape
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, Array] = {}

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return bool(self.random.random() < share)

    def numbers(self, *shape: int) -> Array:
        """Weights."""
        return self.random.standard_normal(shape).astype(np.float32)

    def weight(self, array: Array) -> str:
        """Store an initializer."""
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array, np.float32 if np.issubdtype(array.dtype, np.floating) else array.dtype)
        return name

    @property
    def last(self) -> str:
        """The value that the next node reads."""
        return self.nodes[-1].output[0] if self.nodes else "x"

    def add(self, kind: str, *inputs: str, **attributes: Any) -> None:
        """A node behind the last one; the shape is asked of onnxruntime."""
        self.nodes.append(helper.make_node(kind, [self.last, *inputs], [f"v{len(self.nodes)}"], **attributes))
        self.shape = self.shape_now()

    def shape_now(self) -> tuple[int, ...]:
        """The shape of the last value; raises Refused."""
        return answers(self.model(), np.zeros((1, *self.input), np.float32)).shape[1:]

    def model(self) -> ModelProto:
        """The network so far."""
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.input])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)

    @property
    def spatial(self) -> int:
        """How many axes a window has."""
        return len(self.shape) - 1

    def window(self, largest: int, strides: tuple[int, ...], dilated: bool) -> dict[str, Any]:
        """kernel_shape, strides, and a border of any kind."""
        kernel = [int(self.random.integers(1, min(largest, n) + 1)) for n in self.shape[1:]]
        if self.chance(0.6):
            kernel = [min(kernel[0], *self.shape[1:])] * self.spatial
        stride = [int(self.random.choice(strides))] * self.spatial
        if self.chance(0.2):
            stride = [int(self.random.choice(strides)) for _ in kernel]
        found: dict[str, Any] = {"kernel_shape": kernel, "strides": stride}
        way = self.random.random()
        if way < 0.2:
            found["auto_pad"] = str(self.random.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
            found["strides"] = [min(s, k) for s, k in zip(stride, kernel)]
        elif way < 0.5:
            found["pads"] = [k // 2 for k in kernel] * 2
        elif way < 0.75:
            found["pads"] = [int(self.random.integers(0, k)) for k in kernel * 2]
        if dilated and way >= 0.2 and self.chance(0.15):
            found["dilations"] = [int(self.random.integers(1, 3)) for _ in kernel]
            sizes = zip(kernel * 2, found["dilations"] * 2, self.shape[1:] * 2)
            found["pads"] = [p if k * d <= n else 0 for p, (k, d, n) in zip(found.get("pads", [0] * 4), sizes)]
        return found

    def convolution(self) -> None:
        """Conv, at times grouped or depthwise, at times with batch normalisation, and mostly with an activation."""
        channels = self.shape[0]
        groups = int(self.random.choice([g for g in (1, 1, 2, channels) if channels % g == 0]))
        filters = groups * int(self.random.integers(1, 5)) if not self.chance(0.5) or groups == 1 else channels
        window = self.window(6, (1, 1, 2, 2, 3), True)
        size = (filters, channels // groups, *window["kernel_shape"])
        inputs = [self.weight(self.numbers(*size) / np.sqrt(np.prod(size[1:])))]
        inputs += [self.weight(self.numbers(filters))] if self.chance(0.7) else []
        self.add("Conv", *inputs, group=groups, **window)
        if self.chance(0.3):
            self.normalise()

    def normalise(self) -> None:
        """BatchNormalization."""
        channels = self.shape[0]
        names = [self.weight(v) for v in (self.numbers(channels), self.numbers(channels), self.numbers(channels))]
        variance = self.weight(self.random.uniform(0.5, 2, channels).astype(np.float32))
        self.add("BatchNormalization", *names, variance, epsilon=float(self.random.choice([1e-5, 1e-3])))

    def activation(self) -> None:
        """Relu or a clip from 0."""
        if self.chance(0.75):
            self.add("Relu")
        else:
            low, high = np.float32(0), np.float32(self.random.uniform(0.5, 3))
            self.add("Clip", self.weight(low), self.weight(high))

    def pool(self) -> None:
        """MaxPool or AveragePool."""
        kind = "MaxPool" if self.chance(0.6) else "AveragePool"
        window = self.window(3, (1, 2, 2, 2, 3), kind == "MaxPool" or self.opset >= 19)
        if self.chance(0.5):
            window["kernel_shape"] = [min(2, n) for n in self.shape[1:]]
            window["strides"] = [2] * self.spatial
            if "auto_pad" in window:
                window["strides"] = window["kernel_shape"]
            window.pop("dilations", None)
            if "pads" in window:
                window["pads"] = [int(self.random.integers(0, 2)) if n > 1 else 0 for n in self.shape[1:] * 2]
        if "auto_pad" not in window and self.chance(0.3):
            window["ceil_mode"] = 1
        if kind == "AveragePool" and self.chance(0.5):
            window["count_include_pad"] = 1
        self.add(kind, **window)

    def pad(self) -> None:
        """Pad with a constant."""
        sides = [0, 0, *(int(n) for n in self.random.integers(0, 3, self.spatial))] * 2
        value = np.float32(0 if self.chance(0.7) else 0.5)
        self.add("Pad", self.weight(np.array(sides, np.int64)), self.weight(value))

    def head(self) -> None:
        """From a map to a vector."""
        way = self.random.random()
        if way < 0.25:
            self.add("GlobalAveragePool")
            self.add("Flatten")
        elif way < 0.4 and self.opset < 18:
            self.add("ReduceMean", axes=list(range(2, 2 + self.spatial)), keepdims=int(self.chance(0.5)))
            if len(self.shape) > 1:
                self.add("Flatten")
        elif way < 0.7:
            self.add("Flatten", axis=1)
        else:
            batch = -1 if self.chance(0.5) else 1
            self.add("Reshape", self.weight(np.array([batch, int(np.prod(self.shape))], np.int64)))

    def dense(self, units: int) -> None:
        """Gemm or MatMul, with any factors."""
        inputs = self.shape[0]
        weight = self.numbers(inputs, units) / np.float32(np.sqrt(inputs))
        if self.chance(0.3):
            self.add("MatMul", self.weight(weight))
            if self.chance(0.5):
                self.add("Add", self.weight(self.numbers(units)))
            return
        turned = self.chance(0.5)
        shapes = [(units,), (1, units), (1,), (), (1, 1)]
        bias = [self.weight(self.numbers(*shapes[self.random.integers(len(shapes))]))] if self.chance(0.8) else []
        factors = {k: float(self.random.uniform(0.5, 2)) for k in ("alpha", "beta") if self.chance(0.3)}
        stored = np.ascontiguousarray(weight.T) if turned else weight
        self.add("Gemm", self.weight(stored), *bias, transB=int(turned), **factors)


def random_cnn(seed: int) -> tuple[ModelProto, Array]:
    """A network and three inputs, signed or not; raises Refused where onnxruntime does not take what was drawn."""
    drawing = Drawing(seed)
    random = drawing.random
    if drawing.chance(0.15):
        drawing.normalise()
    for _ in range(int(random.integers(1, 4))):
        if min(drawing.shape[1:]) < SMALLEST:
            break
        if drawing.chance(0.1):
            drawing.pad()
        drawing.convolution()
        first = drawing.chance(0.2)
        for step in (drawing.pool, drawing.activation) if first else (drawing.activation, drawing.pool):
            if drawing.chance(0.9 if step == drawing.activation else 0.35):
                step()
    if drawing.chance(0.8):
        drawing.head()
        for _ in range(int(random.integers(0, 2))):
            drawing.dense(int(random.integers(2, 8)))
            drawing.activation()
        drawing.dense(int(random.integers(2, 6)))
        if drawing.chance(0.2):
            drawing.add("Softmax", axis=1)
    low = -1.0 if drawing.chance(0.5) else 0.0
    return drawing.model(), random.uniform(low, 1, (3, *drawing.input)).astype(np.float32)


REFUSED, SAME, OPAQUE = "refused", "the same", "opaque"
NOT_DRAWN, IMPORTED_WRONG, LOWERED_WRONG = "not drawn", "imported wrong", "lowered wrong"


def near(module: Module, x: Array, wanted: Array) -> bool:
    """Whether a module gives these numbers, every one of them, to float rounding."""
    (got,) = run(module, x).values()
    return got.shape == wanted.shape and bool(np.abs(got - wanted).max() <= 2e-4 * max(np.abs(wanted).max(), 1e-2))


def verdict(seed: int) -> str:
    """What becomes of a random network: imported and, if the chip takes it, rewritten, with onnxruntime's numbers."""
    try:
        model, x = random_cnn(seed)
        wanted = answers(model, x)
    except Refused:
        return NOT_DRAWN
    try:
        module = read_onnx(model)
        if any(isinstance(op, Opaque) for op in module.net.ops):
            return OPAQUE
        if not near(module, x, wanted):
            return IMPORTED_WRONG
        mappable = run_pipeline(module, LEGALISE, Context(samples={module.net.inputs[0].name: x}))
    except DiagnosticError:
        return REFUSED
    return SAME if near(mappable, x, wanted) else LOWERED_WRONG


def main(arguments: list[str] | None = None) -> int:
    """Draw many networks and print what became of them; exit code 1 if any was bent."""
    parser = argparse.ArgumentParser(prog="python -m tests.passes.random_cnns", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many networks")
    parser.add_argument("--seed", type=int, default=1, help="where the seeds start")
    chosen = parser.parse_args(arguments)
    found: dict[str, list[int]] = {}
    for seed in range(chosen.seed, chosen.seed + chosen.count):
        found.setdefault(verdict(seed), []).append(seed)
    for name, seeds in sorted(found.items()):
        wrong = name in (IMPORTED_WRONG, LOWERED_WRONG)
        print(f"{name:>16} {len(seeds):>7}  {seeds if wrong else ''}")
    return int(IMPORTED_WRONG in found or LOWERED_WRONG in found)


if __name__ == "__main__":
    sys.exit(main())
