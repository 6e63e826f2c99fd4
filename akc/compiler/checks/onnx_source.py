# SPDX-License-Identifier: Apache-2.0
"""An ONNX model as a source: run by onnxruntime where it is installed, else by onnx's own reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from akc.base.diagnostics import DiagnosticError, error
from akc.compiler.checks.answers import Answers
from akc.frontends.onnx.file import import_onnx, load_model
from akc.frontends.onnx.qonnx import standard
from akc.ir.module import Module
from akc.sim.registry import Array

QUANTISERS = {
    *("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
    *("QGemm", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu"),
    *("QLinearGlobalAveragePool", "QLinearAveragePool", "Quant", "BipolarQuant", "Trunc"),
}
"""Operators that round to levels of their own. akc keeps those of few levels, and of the others the range."""


class OnnxSource:
    """A model (a path or a ModelProto); `imported` says which axes the inputs have."""

    readout: str | None = None

    def __init__(self, model: Any, imported: Module, readout: str | None = None) -> None:
        self.onnx = import_onnx()
        self.name = Path(model).name if isinstance(model, str | Path) else "the model"
        self.model = standard(self.onnx, load_model(model)[0])
        self.values, self.readout = imported.net.inputs, readout
        stored = {t.name for t in self.model.graph.initializer}
        given = [i for i in self.model.graph.input if i.name not in stored]
        read = {n for node in self.model.graph.node for n in node.input} | {o.name for o in self.model.graph.output}
        self.inputs = [i for i in given if i.name in read]
        self.unread = [i for i in given if i.name not in read]
        """Inputs that no node reads; the import has none of them, a runtime asks for them all the same."""
        self.rounds = any(node.op_type in (*QUANTISERS, "Round") for node in self.model.graph.node)
        self.runners: dict[bool, Any] = {}
        self.by_runtime = True
        self.whole = all(self._batch_axis(i, v) is not None and not self._fixed(i, v)
                         for i, v in zip(self.inputs, self.values))  # fmt: skip

    @property
    def at_once(self) -> bool:
        """Whether all samples go through the model together."""
        return self.whole

    def one_by_one(self) -> OnnxSource:
        """The same source, each sample by itself."""
        other = object.__new__(OnnxSource)
        other.__dict__.update(self.__dict__, whole=False)
        return other

    def by_evaluator(self) -> OnnxSource | None:
        """The same source run by onnx's own evaluator, where onnxruntime ran it: it sums in another order, and some of
        onnxruntime's kernels add up what cancels."""
        if not self.by_runtime:
            return None
        other = self.one_by_one()
        other.by_runtime, other.runners = False, {}
        return other

    def run(self, inputs: Mapping[str, Array], keep: str = "") -> Answers:
        """See SourceRunner; raises DiagnosticError AKC0721 where neither program runs the model."""
        arrays = [inputs[value.name] for value in self.values]
        count = len(arrays[0])
        batches = [slice(0, count)] if self.whole else [slice(i, i + 1) for i in range(count)]
        whole_graph = keep == "all"
        how, runner = self._runner(whole_graph)
        names = [o.name for o in self.model.graph.output]
        try:
            found = [runner(self._feeds([a[part] for a in arrays])) for part in batches]
        except Exception as fault:
            if not self.whole and not self.by_runtime:
                raise self._unrunnable(fault) from None
            self.whole, self.by_runtime, self.runners = False, self.whole, {}
            return self.run(inputs, keep)
        results = found[0] if len(found) == 1 else [np.stack(parts) for parts in zip(*found, strict=True)]
        values = {k: [v] for k, v in zip(self._kept() if whole_graph else names, results) if isinstance(v, np.ndarray)}
        return Answers(outputs=results[: len(names)], values=values if whole_graph else {}, how=how)

    # -- running ----------------------------------------------------------------------------------

    def _kept(self) -> list[str]:
        """The results of the model, then those of every node."""
        names = [o.name for o in self.model.graph.output]
        return [*names, *(o for node in self.model.graph.node for o in node.output if o and o not in names)]

    def _runner(self, keep: bool) -> tuple[str, Any]:
        if keep not in self.runners:
            self.runners[keep] = self._prepared(keep)
        return self.runners[keep]  # type: ignore[no-any-return]

    def _prepared(self, keep: bool) -> tuple[str, Any]:
        model = self.model
        if keep:
            model = self.onnx.ModelProto()
            model.CopyFrom(self.model)
            names = {o.name for o in model.graph.output}
            model.graph.output.extend(self.onnx.ValueInfoProto(name=n) for n in self._kept() if n not in names)
        try:
            if not self.by_runtime:
                raise ImportError
            import onnxruntime as runtime

            options = runtime.SessionOptions()
            options.log_severity_level, options.intra_op_num_threads = 4, 1
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return f"onnxruntime {runtime.__version__}", lambda feeds: session.run(None, feeds)
        except Exception:  # not installed, or an operator that it lacks
            evaluator = self._evaluator(model)
            return f"onnx {self.onnx.__version__}", lambda feeds: evaluator.run(None, feeds)

    def _evaluator(self, model: Any) -> Any:
        """onnx's own; it raises already here where it has no code for an operator."""
        try:
            return self.onnx.reference.ReferenceEvaluator(model)
        except Exception as fault:
            raise self._unrunnable(fault) from None

    def _unrunnable(self, fault: Exception) -> DiagnosticError:
        reason = str(fault).splitlines()[0]
        help = "--check=off (check='off') compiles unchecked"
        return error("AKC0721", f"{self.name} cannot be run on probe inputs: {reason}", help=help)

    # -- inputs -----------------------------------------------------------------------------------

    def _feeds(self, arrays: list[Array]) -> dict[str, Array]:
        feeds = {info.name: self._zeros(info, len(arrays[0])) for info in self.unread}
        for info, value, array in zip(self.inputs, self.values, arrays):
            kind = self.onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
            axis = self._batch_axis(info, value)
            moved = array if axis in (0, None) else np.moveaxis(array, 0, axis)
            feeds[info.name] = np.ascontiguousarray(moved[0] if axis is None else moved, kind)
        return feeds

    def _zeros(self, info: Any, batch: int) -> Array:
        """Something for an input that nothing reads."""
        kind = self.onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        return np.zeros([batch if n is None else n for n in _dims(info)], kind)

    def _batch_axis(self, info: Any, value: Any) -> int | None:
        """Which axis of an input is the batch; None where it has none."""
        dims = _dims(info)
        full = value.type.full_shape
        if len(dims) == len(full):
            return None
        fits = [a for a in range(len(dims)) if all(d in (n, None) for d, n in zip(dims[:a] + dims[a + 1 :], full))]
        return fits[0] if fits else 0

    def _fixed(self, info: Any, value: Any) -> bool:
        dims, axis = _dims(info), self._batch_axis(info, value)
        return axis is not None and axis < len(dims) and dims[axis] is not None


def _dims(info: Any) -> list[int | None]:
    """The lengths of an input's axes; None where one is open."""
    return [d.dim_value if d.HasField("dim_value") else None for d in info.type.tensor_type.shape.dim]
