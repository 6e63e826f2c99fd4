# SPDX-License-Identifier: Apache-2.0
"""Shapes of an ONNX graph with a batch of one, node by node, and the nodes whose results are constants."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from attrs import evolve

from akc.base.budget import promise
from akc.frontends.graph.graph import Array, Tensor
from akc.frontends.onnx.quantised import QONNX, dequantized, note_steps, quantised_constant
from akc.frontends.onnx.reader import Reader
from akc.ir.ops.nn import window_outputs

SMALL = 4096
"""Constants with at most this many elements take part in shape inference."""

NEVER_COMPUTED = ("Random", "Bernoulli", "Multinomial", "If", "Loop", "Scan")

ONE_SAMPLE = "export with a batch of 1 or an open batch axis, not with a larger fixed one"


# -- constants ------------------------------------------------------------------------------------


def folded(r: Reader, node: Any) -> bool:
    """Compute a node whose inputs are all known; shapes always are."""
    if node.op_type in ("Shape", "Size") and node.domain in ("", "ai.onnx"):
        shape = np.array(r.shape(node.input[0]), np.int64)
        attributes = r.attributes(node)
        shape = shape[attributes.get("start", 0) : attributes.get("end")]
        r.graph.constants[node.output[0]] = shape if node.op_type == "Shape" else np.array(shape.prod())
        return True
    inputs = {name: r.graph.constants.get(r.value(name)) for name in node.input if name}
    if any(array is None for array in inputs.values()) or node.op_type.startswith(NEVER_COMPUTED):
        return False
    if not _room(r, node, inputs):
        return False
    results = computed(r, node, inputs)
    if results is not None:
        r.graph.constants.update(zip(node.output, results))
        note_steps(r, node, inputs)
    return results is not None


GROWS = ("Expand", "Tile", "Range", "ConstantOfShape", "Pad", "Resize", "Upsample", "OneHot", "EyeLike", "Concat",
         "ConcatFromSequence", "CenterCropPad", "Col2Im", "StringSplit")  # fmt: skip
"""Operators whose results may be far larger than their operands."""


def _room(r: Reader, node: Any, inputs: dict[str, Any]) -> bool:
    """Whether the results of a node of constants are of a size that is known; raises AKC0956 where it is too large."""
    if node.op_type == "Range":  # exporters write its scalars as vectors of one, which onnx does not infer
        if any(inputs[name].size != 1 for name in node.input):
            return False
        start, limit, delta = (float(inputs[name].item()) for name in node.input)
        steps = (limit - start) / delta if delta else np.inf
        if not np.isfinite(steps):
            return False
        promise(8 * max(ceil(steps), 0), f"{node.output[0][:60]}, a constant that Range makes,")
        return True
    schema = _schema(r, node)
    try:
        found = {} if schema is None else _inferred(r, node, schema)
    except Exception:  # onnx raises several kinds; what does not fit is told where the node is read
        found = {}
    for name, tensor in found.items():
        promise(tensor.size * np.dtype(tensor.dtype).itemsize, f"{name[:60]}, a constant that {node.op_type} makes,")
    return bool(found) or node.op_type not in GROWS


def computed(r: Reader, node: Any, inputs: dict[str, Any]) -> list[Array] | None:
    """What a node makes of these arrays; None where onnx has no code for it."""
    if node.domain in QONNX:
        return quantised_constant(r, node)
    if node.op_type == "ConstantOfShape":
        fill = r.attributes(node).get("value")
        number = r.onnx.numpy_helper.to_array(fill).reshape(-1)[:1] if fill is not None else np.zeros(1, np.float32)
        return [np.broadcast_to(number, inputs[node.input[0]].tolist())] if number.size else None
    if node.op_type == "Range":
        ends = [inputs[name].reshape(-1)[0] for name in node.input]
        return [np.arange(*ends, dtype=ends[0].dtype)]
    if node.op_type in ("Identity", "Dropout"):
        return [inputs[node.input[0]]]
    if node.op_type == "Unsqueeze" and (axes := r.attributes(node).get("axes")):  # onnx 1.22 fails at this old form
        return [np.expand_dims(inputs[node.input[0]], tuple(axes))]
    if node.op_type == "GatherElements":  # onnx 1.23 fails where the index is smaller than the data
        axis, (data, index) = r.attributes(node).get("axis", 0), (inputs[name] for name in node.input)
        part = tuple(slice(None) if a == axis % data.ndim else slice(n) for a, n in enumerate(index.shape))
        return [np.take_along_axis(data[part], index, axis)]
    if node.op_type == "DequantizeLinear" and not r.attributes(node).get("block_size", 0):
        axis, arrays = r.attributes(node).get("axis", 1), list(inputs.values())
        return [dequantized(arrays[0], arrays[1], arrays[2] if arrays[2:] else None, axis)]
    try:
        evaluator = r.onnx.reference.ReferenceEvaluator(
            node, opsets={e.domain: e.version for e in r.model.opset_import}
        )
        return list(evaluator.run(None, inputs))
    except Exception:  # an operator that the reference has no code for stays a node
        return None


# -- shapes ---------------------------------------------------------------------------------------


def infer(r: Reader, node: Any) -> bool:
    """Note the types of a node's results; a fault, and False, where they cannot be found."""
    schema = _schema(r, node)
    if schema is None:
        found = {name: t for name in node.output if (t := _noted(r, name)) is not None}
    else:
        try:
            found = _inferred(r, node, schema)
        except Exception as fault:  # onnx raises several kinds
            found = _as_operands(r, node, {})
            if found:
                r.graph.types.update(found)
                return True
            reason = str(fault).strip().splitlines()[-1]
            message = f"{node.op_type} does not fit its operands with a batch of one"
            r.fault("AKC0311", message, node, label=reason, help=ONE_SAMPLE)
            return False
    noted = {name: t for name in node.output if name not in found and (t := _noted(r, name)) is not None}
    found |= noted or _as_operands(r, node, found)
    missing = [
        name for name in node.output if name and name not in found and (name == node.output[0] or r.is_read(name))
    ]
    if missing:
        _fault_missing(r, node, missing[0], schema is not None)
    elif _keeps_elements(r, node, found):
        r.graph.types.update(found)
        return True
    return False


KEEPS_SHAPE = (
    *("GroupNormalization", "Dropout", "BatchNormalization", "LayerNormalization", "SimplifiedLayerNormalization"),
    *("ThresholdedRelu", "Gelu", "Mish", "Swish", "HardSwish", "Celu"),
)
"""Operators whose result has the type of their operand, which onnx does not infer, or not in an opset in which runtimes
have them already."""

COMPARES = ("GreaterOrEqual", "LessOrEqual")
"""Operators whose result has the shape of both operands joined, which onnx does not infer."""


def _as_operands(r: Reader, node: Any, found: dict[str, Tensor]) -> dict[str, Tensor]:
    name = node.output[0]
    if name in found:
        return {}
    if node.op_type in KEEPS_SHAPE or node.domain in QONNX:
        return {name: r.graph.types[r.value(node.input[0])]}
    if node.op_type in COMPARES:
        return {name: Tensor("bool", np.broadcast_shapes(*(r.shape(v) for v in node.input)))}
    return {}


def _schema(r: Reader, node: Any) -> Any:
    try:
        return r.onnx.defs.get_schema(node.op_type, max_inclusive_version=r.opset, domain=node.domain)
    except r.onnx.defs.SchemaError:
        return None


def _noted(r: Reader, name: str) -> Tensor | None:
    """The type that the file notes for a value, its first axis of one sample."""
    if name not in r.noted:
        return None
    noted = r.onnx.TypeProto()
    noted.CopyFrom(r.noted[name])
    dims = noted.tensor_type.shape.dim
    if dims and (not dims[0].HasField("dim_value") or dims[0].dim_value == r.fixed_batch):
        dims[0].dim_value = 1
    return _tensor(r, noted)


def _fault_missing(r: Reader, node: Any, name: str, known: bool) -> None:
    domain = f" of {node.domain}" if node.domain else ""
    if known:
        message = f"the shape of {name}, a result of {node.op_type}{domain}, cannot be found"
        r.fault("AKC0311", message, node, help="export with fixed shapes; only the batch may be open")
    else:
        message = f"operator {node.op_type}{domain} is not known, and the file does not note the shape of its result"
        r.fault("AKC0311", message, node, help="export with standard operators, without the optimiser of a runtime")


def _keeps_elements(r: Reader, node: Any, found: dict[str, Tensor]) -> bool:
    """Whether a Reshape neither makes nor loses elements; a fault where it does."""
    if node.op_type != "Reshape":
        return True
    after, before = found[node.output[0]].size, r.graph.types[r.value(node.input[0])].size
    if after != before:
        r.fault("AKC0311", f"{before} elements are reshaped to {after}, with a batch of one", node, help=ONE_SAMPLE)
    return after == before


def _inferred(r: Reader, node: Any, schema: Any) -> dict[str, Tensor]:
    known, data = {}, {}
    for name in dict.fromkeys(n for n in node.input if n):
        array = r.graph.constants.get(r.value(name))
        tensor = Tensor(array.dtype.name, array.shape) if array is not None else r.graph.types[r.value(name)]
        if name in r.levels:
            tensor = evolve(tensor, dtype=r.levels[name][2])
        element = r.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
        known[name] = r.onnx.helper.make_tensor_type_proto(element, tensor.shape)
        if array is not None and array.size <= SMALL:
            data[name] = r.onnx.numpy_helper.from_array(np.asarray(array, order="C"))  # a scalar stays one
    _ask_for_one_sample(r, node, data)
    types = r.onnx.shape_inference.infer_node_outputs(
        schema, node, known, data, opset_imports=list(r.model.opset_import), ir_version=r.model.ir_version or 8
    )
    found = {name: t for name, proto in types.items() if (t := _tensor(r, proto)) is not None}
    if node.op_type == "ConvTranspose":
        return _stretched(r, node, found)
    return _rounded_up(r, node, found) if r.attributes(node).get("ceil_mode", 0) else found


def _stretched(r: Reader, node: Any, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Transposed convolutions with auto_pad SAME: runtimes cut each axis to its length times the stride, also where
    output_padding makes it longer, which onnx's inference counts."""
    a, sizes, kernel = r.attributes(node), r.shape(node.input[0])[2:], r.shape(node.input[1])[2:]
    if "SAME" not in a.get("auto_pad", "") or "output_shape" in a:
        return found
    usual = {"strides": 1, "dilations": 1, "output_padding": 0}
    steps, taps, extra = (a.get(key, [n] * len(kernel)) for key, n in usual.items())
    whole = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in zip(sizes, steps, kernel, taps, extra)]
    lengths = (min(w, n * s) for w, n, s in zip(whole, sizes, steps))
    return {name: evolve(tensor, shape=(*tensor.shape[:2], *lengths)) for name, tensor in found.items()}


def _rounded_up(r: Reader, node: Any, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Pools with ceil_mode: runtimes drop a window that starts in the padding, onnx's inference counts it."""
    a = r.attributes(node)
    kernel, axes = a["kernel_shape"], len(a["kernel_shape"])
    stride, dilation = a.get("strides", [1] * axes), a.get("dilations", [1] * axes)
    pads = a.get("pads", [0] * 2 * axes)
    sizes = r.shape(node.input[0])
    if a.get("auto_pad", "NOTSET") != "NOTSET":
        return found
    windows = [
        window_outputs(sizes[2 + i], (kernel[i] - 1) * dilation[i] + 1, stride[i], pads[i], pads[axes + i], True)
        for i in range(axes)
    ]
    return {name: evolve(tensor, shape=(*sizes[:2], *windows)) for name, tensor in found.items()}


def _tensor(r: Reader, proto: Any) -> Tensor | None:
    """A type whose axes are all known, else None."""
    kind = proto.tensor_type
    dims = list(kind.shape.dim)
    known = proto.HasField("tensor_type") and kind.HasField("shape") and all(d.HasField("dim_value") for d in dims)
    name = r.onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if known else ""
    return Tensor(name, tuple(d.dim_value for d in dims)) if known else None


def _ask_for_one_sample(r: Reader, node: Any, data: dict[str, Any]) -> None:
    """A reshape to the file's own fixed batch, such as [32, -1] or [49, 32, 64], is one to a batch of 1 here."""
    if node.op_type != "Reshape" or r.fixed_batch is None:
        return
    target = r.graph.constants.get(r.value(node.input[1]))
    if target is None:
        return
    places = np.flatnonzero(target == r.fixed_batch)
    first = places.size > 0 and places[0] == 0 and r.shape(node.input[0])[:1] == (1,)
    size = int(np.prod(r.shape(node.input[0]), dtype=np.int64))
    if first or (places.size == 1 and (target > 0).all() and target.prod() == size * r.fixed_batch):
        target = target.astype(np.int64)
        target[places[0]] = 1
        data[node.input[1]] = r.onnx.numpy_helper.from_array(target)
