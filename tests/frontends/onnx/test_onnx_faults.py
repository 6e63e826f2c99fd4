# SPDX-License-Identifier: Apache-2.0
"""ONNX files that are at fault: each gives its own diagnostics, golden as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.frontends.onnx.importer import read_onnx

FLOAT = TensorProto.FLOAT


def dense_model(
    shape: list[Any] | None = None,
    stored: bool = True,
    opset: int = 18,
    element: int = FLOAT,
    reshape: list[int] | None = None,
) -> onnx.ModelProto:
    """x [batch, 4] -> Gemm with a 3x4 weight, perhaps behind a reshape."""
    weight = np.arange(12, dtype=np.float32).reshape(3, 4)
    nodes = [helper.make_node("Gemm", ["x" if reshape is None else "r", "fc.weight"], ["y"], "fc", transB=1)]
    inputs = [helper.make_tensor_value_info("x", element, ["batch", 4] if shape is None else shape)]
    initialisers = [numpy_helper.from_array(weight, "fc.weight")] if stored else []
    if reshape is not None:
        nodes.insert(0, helper.make_node("Reshape", ["x", "to"], ["r"], "view"))
        initialisers.append(numpy_helper.from_array(np.array(reshape, np.int64), "to"))
    if not stored:
        inputs.append(helper.make_tensor_value_info("fc.weight", FLOAT, [3, 4]))
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", FLOAT, None)], initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def without_shape(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, its input's shape not told."""
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


def converter_fails() -> onnx.ModelProto:
    """An operator of another domain in a file too old for its other operators."""
    model = vendor_operator()
    model.opset_import[0].version = 5
    return model


def constant_output() -> onnx.ModelProto:
    """A second output that is a stored number."""
    model = dense_model()
    model.graph.output.append(helper.make_tensor_value_info("fc.weight", FLOAT, [3, 4]))
    return model


def vendor_operator() -> onnx.ModelProto:
    """An operator of another domain, whose shape nobody knows."""
    model = dense_model()
    model.graph.node.append(helper.make_node("FusedThing", ["y"], ["z"], "fused", domain="com.example"))
    model.graph.output[0].name = "z"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


FAULTY: dict[str, Callable[[], onnx.ModelProto | bytes]] = {
    "empty": lambda: b"",
    "truncated": lambda: dense_model().SerializeToString()[:-40],
    "html": lambda: b"<!DOCTYPE html><html></html>",
    "zip": lambda: b"PK\x03\x04" + bytes(60),
    "lfs": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "text": lambda: b"hello, this is no model at all",
    "old_opset": converter_fails,
    "dynamic_axis": lambda: dense_model(["batch", "features"]),
    "nameless_axes": lambda: dense_model([None, None]),
    "no_shape": lambda: without_shape(dense_model()),
    "integers": lambda: dense_model(element=TensorProto.INT64),
    "weights_not_stored": lambda: dense_model(stored=False),
    "constant_output": constant_output,
    "vendor_operator": vendor_operator,
    "fixed_batch": lambda: dense_model([2, 8], reshape=[4, 4]),
    "wrong_shape": lambda: dense_model([1, 5]),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_model(name: str, text_snapshot: SnapshotAssertion) -> None:
    """The message says what is wrong and what to do; nothing but a DiagnosticError comes out."""
    made = FAULTY[name]()
    with pytest.raises(DiagnosticError) as caught:
        read_onnx(made)
    assert str(caught.value) == text_snapshot


def test_missing_file(tmp_path: Path) -> None:
    """A path that leads nowhere."""
    with pytest.raises(DiagnosticError, match=r"AKC0901.*missing\.onnx"):
        read_onnx(tmp_path / "missing.onnx")


def test_weights_in_another_file(tmp_path: Path) -> None:
    """Weights beside the file are read; without their file the message names it; bytes cannot have them."""
    model = dense_model()
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    (weight,) = read_onnx(path).weights.values()
    np.testing.assert_array_equal(weight.array, np.arange(12, dtype=np.float32).reshape(3, 4))
    with pytest.raises(DiagnosticError, match=r"AKC0302.*net\.data"):
        read_onnx(path.read_bytes())
    (tmp_path / "net.data").unlink()
    with pytest.raises(DiagnosticError, match=r"AKC0302.*fc\.weight cannot be read from net\.data"):
        read_onnx(str(path))


def test_every_cut_of_a_file_is_refused() -> None:
    """No prefix of a file crashes the reader or passes for the whole."""
    data = dense_model().SerializeToString()
    for length in range(len(data)):
        with pytest.raises(DiagnosticError):
            read_onnx(data[:length])
