# SPDX-License-Identifier: Apache-2.0
"""Files that are quantised to few bits: their levels reach the chip's layers, held against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import akc
from akc.compiler.pipeline import Context
from akc.frontends.onnx.qonnx import standard
from akc.ir.module import Module
from akc.ir.ops import akida
from akc.sim.run import Runner

Array = Any
RNG = np.random.default_rng(5)


class File:
    """A model under construction; every method gives the name of its result."""

    def __init__(self, *shape: int, opset: int = 21) -> None:
        self.shape, self.opset = shape, opset
        self.nodes: list[Any] = []
        self.stored: list[Any] = []
        self.last = "x"

    def store(self, array: Array, dtype: int | None = None) -> str:
        name = f"c{len(self.stored)}"
        kind = helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype) if dtype is None else dtype
        self.stored.append(
            helper.make_tensor(name, kind, np.shape(array), np.asarray(array).reshape(-1).tolist())
            if dtype is not None
            else numpy_helper.from_array(np.asarray(array), name)
        )
        assert kind
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        self.last = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [self.last], f"{kind}{len(self.nodes)}", **attributes))
        return self.last

    def levels(
        self, scale: float, zero: int = 0, ends: tuple[int, int] | None = None, dtype: int = TensorProto.UINT8
    ) -> str:
        parts = [self.store(np.float32(scale)), self.store(zero, dtype)]
        self.node("QuantizeLinear", self.last, *parts)
        if ends is not None:
            kind = {TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8}[dtype]
            self.node("Clip", self.last, *(self.store(np.array(e, kind)) for e in ends))
        return self.node("DequantizeLinear", self.last, *parts)

    def weight(self, whole: Array, scale: Array, dtype: int = TensorProto.INT8) -> str:
        stored, size = self.store(whole, dtype), self.store(np.asarray(scale, np.float32))
        before = self.last
        name = self.node("DequantizeLinear", stored, size, axis=0)
        self.last = before
        return name

    def conv(self, filters: int, channels: int, kernel: int = 3, most: int = 7, group: int = 1, **more: Any) -> str:
        whole = RNG.integers(-most, most + 1, (filters, channels // group, kernel, kernel))
        scale = RNG.uniform(0.02, 0.08, filters) if more.pop("per_channel", True) else 0.05
        bias = self.store(RNG.normal(0, 0.2, filters).astype(np.float32))
        weight, pad = self.weight(whole, scale, more.pop("dtype", TensorProto.INT8)), more.pop("pad", kernel // 2)
        return self.node("Conv", self.last, weight, bias, pads=[pad] * 4, group=group, **more)

    def dense(self, units: int, inputs: int, most: int = 7) -> str:
        whole = RNG.integers(-most, most + 1, (units, inputs))
        weight, bias = self.weight(whole, 0.03), self.store(RNG.normal(0, 0.3, units).astype(np.float32))
        return self.node("Gemm", self.last, weight, bias, transB=1)

    def batch_norm(self, channels: int) -> str:
        numbers = [RNG.uniform(-1.5, 1.5, channels), RNG.normal(0, 0.3, channels), RNG.normal(0, 0.3, channels)]
        names = [self.store(n.astype(np.float32)) for n in (*numbers, RNG.uniform(0.5, 2, channels))]
        return self.node("BatchNormalization", self.last, *names)

    def model(self) -> Any:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "few",
            [value("x", TensorProto.FLOAT, ["n", *self.shape])],
            [value(self.last, TensorProto.FLOAT, None)],
            self.stored,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("qonnx.custom_op.general", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _both(model: Any, **options: Any) -> tuple[Module, Array, Array, Context]:
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    x = np.random.default_rng(1).uniform(-0.2, 1.2, (100, *shape)).astype(np.float32)
    options_of = onnxruntime.SessionOptions()
    options_of.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options_of.log_severity_level = 4
    session = onnxruntime.InferenceSession(standard(onnx, model).SerializeToString(), options_of)
    wanted = session.run(None, {"x": x})[0]
    context = Context()
    module = akc.lower(model, context=context, **options)
    found = Runner(module).run({module.net.inputs[0].name: x})[module.net.outputs[0]]
    return module, found.reshape(len(x), -1), wanted.reshape(len(x), -1), context


def _plain(**first: Any) -> File:
    file = File(1, 8, 8)
    file.levels(1 / 255)
    file.conv(6, 1, most=127, **first)
    file.node("Relu", file.last)
    file.levels(0.9, ends=(0, 3))
    return file


def _ended(file: File, inputs: int, most: int = 7) -> Any:
    file.node("Flatten", file.last)
    file.dense(10, inputs, most)
    return file.model()


def _with_batch_norm() -> Any:
    file = _plain()
    file.conv(8, 6, most=1)
    file.batch_norm(8)
    file.node("Relu", file.last)
    file.node("MaxPool", file.last, kernel_shape=[2, 2], strides=[2, 2])
    file.levels(0.11, ends=(0, 3))
    file.conv(8, 8, 1, most=1)
    file.node("Relu", file.last)
    file.levels(0.2, ends=(0, 1))
    return _ended(file, 8 * 16)


def _depthwise() -> Any:
    file = _plain(per_channel=False)
    file.conv(6, 6, most=1, group=6)
    file.node("Relu", file.last)
    file.levels(0.07, ends=(0, 3))
    file.conv(8, 6, 1, most=1)
    file.node("Relu", file.last)
    file.levels(0.13, ends=(0, 3))
    return _ended(file, 8 * 64)


def _pool_in_front_of_dense() -> Any:
    file = _plain()
    file.node("MaxPool", file.last, kernel_shape=[2, 2], strides=[2, 2])
    return _ended(file, 6 * 16)


def _signed_levels() -> Any:
    file = File(20)
    file.levels(0.09, zero=-3, ends=(-8, 7), dtype=TensorProto.INT8)
    file.dense(12, 20, most=1)
    file.levels(0.21, zero=1, ends=(0, 3))
    file.dense(5, 12, most=3)
    return file.model()


def _small_types() -> Any:
    file = File(1, 8, 8)
    file.levels(1 / 15, dtype=TensorProto.UINT4)
    file.conv(6, 1, most=3, dtype=TensorProto.INT4)
    file.node("Relu", file.last)
    file.levels(0.06, zero=-8, dtype=TensorProto.INT4)
    return _ended(file, 6 * 64)


def _smallest_types() -> Any:
    file = File(1, 8, 8, opset=25)
    file.levels(1 / 15, dtype=TensorProto.UINT4)
    file.conv(6, 1, most=1, dtype=TensorProto.INT2)
    file.node("Relu", file.last)
    file.levels(0.5, dtype=TensorProto.UINT2)
    return _ended(file, 6 * 64)


def _global_average() -> Any:
    file = _plain()
    file.node("GlobalAveragePool", file.last)
    return _ended(file, 6, 1)


MODELS = {
    "batch norm, pool, 2 and 1 bits": _with_batch_norm,
    "depthwise": _depthwise,
    "pool in front of a dense layer": _pool_in_front_of_dense,
    "signed levels": _signed_levels,
    "int4 and uint4": _small_types,
    "int2 and uint2": _smallest_types,
    "global average": _global_average,
}


@pytest.mark.parametrize("name", MODELS)
def test_levels_reach_the_chip_as_they_were_trained(name: str) -> None:
    _, found, wanted, context = _both(MODELS[name]())
    kept = context.reports["quantised as trained"]
    assert all(not layer.why for layer in kept.layers), kept.layers
    assert not any(warning.code in ("AKC0411", "AKC0453") for warning in context.warnings)
    off = sum(layer.off for layer in kept.layers)
    if not off:
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= (0.99 if not off else 0.9)
    assert off <= 0.2 * sum(layer.reachable for layer in kept.layers)


def test_some_of_them_are_exact() -> None:
    exact = [name for name, make in MODELS.items() if all(k.holds for k in _both(make())[3].reports[KEPT].layers)]
    assert {"signed levels", "int4 and uint4"} <= set(exact)


KEPT = "quantised as trained"


def _qonnx(rounding: str = "ROUND", bits: float = 4.0, narrow: int = 0) -> Any:
    file = File(30)
    domain = "qonnx.custom_op.general"

    def quant(name: str, scale: Array, width: float, signed: int, **more: Any) -> str:
        parts = [file.store(np.asarray(v, np.float32)) for v in (scale, 0.0, width)]
        return file.node("Quant", name, *parts, domain=domain, signed=signed, **more)

    quant("x", 1 / 16, 4.0, 0)
    x = file.last
    weight = quant(file.store(RNG.normal(0, 0.3, (16, 30)).astype(np.float32)), 0.125, 4.0, 1, narrow=1)
    file.node("Gemm", x, weight, file.store(RNG.normal(0, 0.2, 16).astype(np.float32)), transB=1)
    file.node("Relu", file.last)
    quant(file.last, 0.25, bits, 0, rounding_mode=rounding, narrow=narrow)
    x = file.last
    signs = file.node(
        "BipolarQuant", file.store(RNG.normal(0, 1, (5, 16)).astype(np.float32)), file.store(np.float32(0.4)),
        domain=domain,
    )  # fmt: skip
    file.node("Gemm", x, signs, transB=1)
    return file.model()


@pytest.mark.parametrize("rounding", ["ROUND", "FLOOR", "CEIL"])
def test_qonnx_files(rounding: str) -> None:
    module, found, wanted, context = _both(_qonnx(rounding))
    assert all(layer.holds for layer in context.reports[KEPT].layers)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    types = [module.weights[op.weights].type.dtype for op in module.net.ops if isinstance(op, akida.Layer)]
    assert types == ["i4", "i2"]


@pytest.mark.parametrize(
    ("changes", "words"), [({"bits": 3.0}, "8 levels"), ({"narrow": 1}, "15 levels"), ({"bits": 8.0}, "no quantiser")]
)
def test_levels_that_the_chip_has_not_are_quantised_again_and_that_is_said(changes: dict[str, Any], words: str) -> None:
    _, found, wanted, context = _both(_qonnx(**changes))
    told = next(w for w in context.warnings if w.code == "AKC0453")
    assert words in told.label
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.7


def test_requantise_forgets_the_source_s_integers() -> None:
    context = Context()
    akc.lower(_qonnx(), options={"lower-int4": {"requantise": True}}, context=context)
    assert KEPT not in context.reports


def test_a_quantised_text_can_be_stopped_and_gone_on_with() -> None:
    """nn.levels and weight_step stand in the text, so nothing is lost on the way through it."""
    from akc.frontends.onnx.importer import read_onnx
    from akc.ir.parser import parse
    from akc.ir.printer import print_module

    module = read_onnx(_qonnx())
    again = parse(print_module(module))
    assert print_module(akc.lower(again)) == print_module(akc.lower(module))


def test_the_bias_behind_the_last_layer_needs_no_leave() -> None:
    program = akc.build(akc.lower(_small_types()))
    assert program.sequences


def test_boundaries_that_lie_elsewhere_are_counted() -> None:
    """Halves to even, powers of two and no bias: every other boundary is a tie that equal steps cannot say."""
    file = File(20)
    file.levels(1 / 16, ends=(0, 15))
    weight = file.weight(RNG.integers(-7, 8, (12, 20)), 1 / 16)
    file.node("Gemm", file.last, weight, transB=1)
    file.node("Relu", file.last)
    file.levels(1 / 4, ends=(0, 15))
    file.dense(5, 12)
    _, found, wanted, context = _both(file.model())
    told = next(w for w in context.warnings if w.code == "AKC0452")
    layer = context.reports[KEPT].layers[0]
    assert f"{layer.off} of {layer.reachable} level boundaries of %Relu" in told.message
    assert layer.ties == layer.reachable > 2 * layer.off > 0
    assert np.abs(found - wanted).max() < 0.2 * np.abs(wanted).max()
