# SPDX-License-Identifier: Apache-2.0
"""A network from plain matrices, for people who have only those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from akc.base.calls import is_shape, optional, public, that
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.compiler.arguments import RULES
from akc.compiler.compiler import CONTEXT, lower
from akc.compiler.pipeline import Context
from akc.compiler.samples import float_array
from akc.ir.module import Module, Net, Op, Value
from akc.ir.ops.nn import Dense, Relu, Reshape
from akc.ir.types import TensorType
from akc.ir.weights import Weight


def _is_list(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes | Mapping)


@public(
    weights=that(_is_list, "give a list of matrices [units, inputs]"),
    biases=optional(that(_is_list, "give a list of vectors [units], None where there is none")),
    input_shape=that(lambda shape: shape in ((), []) or is_shape(shape), "give the shape of one input: (28, 28)"),
    input_range=RULES["input_range"],
    calibrate=RULES["calibrate"],
    context=CONTEXT,
)
def dense_network(
    weights: Sequence[Any],
    biases: Sequence[Any] | None = None,
    input_shape: Sequence[int] = (),
    bits: int = 4,
    input_range: tuple[float, float] | None = None,
    calibrate: Any = None,
    context: Context | None = None,
) -> Module:
    """A quantised network of dense layers with ReLU in between, ready for `akc.build`.

    weights: float matrices [units, inputs] (PyTorch's layout), front to back; biases: vectors [units] or
    None; input_shape: shape of one input (default: the first matrix's inputs); bits: 1, 2 or 4, of weights
    and activations; input_range, calibrate, context: as for `akc.lower`.
    Raises DiagnosticError AKC0202 if the matrices do not form a chain.
    """
    return lower(
        float_network(weights, biases, input_shape),
        input_range=input_range,
        calibrate=calibrate,
        options={"lower-int4": {"weights": bits, "activations": bits}},
        context=context,
    )


def float_network(weights: Sequence[Any], biases: Sequence[Any] | None, input_shape: Sequence[int]) -> Module:
    """The same network before any pass."""
    matrices = [float_array(f"weights {n}", w) for n, w in enumerate(weights, 1)]
    given = [None] * len(matrices) if biases is None else biases
    vectors = [None if b is None else float_array(f"bias {n}", b) for n, b in enumerate(given, 1)]
    shape = tuple(int(n) for n in input_shape) or (matrices[0].shape[-1] if matrices else 0,)
    _check_chain(matrices, vectors, prod(shape))
    pool: dict[str, Weight] = {}
    ops: list[Op] = []
    value = Value("input", TensorType("f32", shape))
    inputs = (value,)
    if len(shape) > 1:
        ops.append(Reshape(x=value.name, shape=(prod(shape),), result=Value("flat", TensorType("f32", (prod(shape),)))))
    for number, (matrix, vector) in enumerate(zip(matrices, vectors, strict=True), 1):
        ops.append(_dense(number, (ops[-1].name if ops else value.name), matrix, vector, pool))
        if number < len(matrices):
            ops.append(Relu(x=ops[-1].name, result=Value(f"relu{number}", ops[-1].type), origin=(f"relu{number}",)))
    net = Net(name="dense", inputs=inputs, statements=tuple(ops), outputs=(ops[-1].name,), output_types=(ops[-1].type,))
    return Module(net=net, weights=pool)


def _dense(number: int, x: str, matrix: Any, vector: Any, pool: dict[str, Weight]) -> Dense:
    name = f"fc{number}"
    pool[f"{name}.weight"] = Weight.of(matrix, "f32")
    if vector is not None:
        pool[f"{name}.bias"] = Weight.of(vector, "f32")
    return Dense(
        x=x,
        weight=f"{name}.weight",
        bias=f"{name}.bias" if vector is not None else None,
        result=Value(name, TensorType("f32", (len(matrix),))),
        origin=(name,),
    )


def _check_chain(matrices: list[Any], vectors: list[Any], inputs: int) -> None:
    faults: list[Diagnostic] = []
    if not matrices or len(vectors) != len(matrices):
        faults.append(
            Diagnostic(
                code="AKC0202",
                message=f"{len(matrices)} matrices and {len(vectors)} biases were given",
                help="give one bias (or None) for each matrix, and at least one matrix",
            )
        )
    for number, matrix in enumerate(matrices, 1):
        if matrix.ndim != 2 or matrix.shape[1] != inputs:
            faults.append(
                Diagnostic(
                    code="AKC0202",
                    message=f"weights {number} have shape {list(matrix.shape)}, {inputs} inputs come in",
                    help="matrices are [units, inputs]; transpose one that is [inputs, units]",
                )
            )
        inputs = matrix.shape[0] if matrix.ndim else 0
    for number, (matrix, vector) in enumerate(zip(matrices, vectors, strict=False), 1):
        if vector is not None and vector.shape != (matrix.shape[0],):
            faults.append(
                Diagnostic(
                    code="AKC0202",
                    message=f"bias {number} has shape {list(vector.shape)}",
                    help=f"matrix {number} has {matrix.shape[0]} units",
                )
            )
    if faults:
        raise DiagnosticError(faults)
