# SPDX-License-Identifier: Apache-2.0
"""Operations of a text as one ONNX model: standard operators only, batch axis first, names from the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from akc.base.diagnostics import DiagnosticError, error
from akc.ir.module import Module, Op
from akc.ir.ops import akida, host, nn
from akc.sim.engine import axes, border, floats, layers
from akc.sim.engine.graph import IR_VERSION, OPSET, Graph, text_form

Emit = Callable[[Graph, Any], None]

BYTES: dict[type[Op], Callable[[Graph, Any, bool], None]] = {akida.FullyConnected: layers.fully_connected}
"""Layers that have a way with bytes and one with floats."""

EXACT: dict[type[Op], Emit] = {
    akida.FullyConnected: partial(layers.fully_connected, bytes_are_fast=False),
    akida.InputConvolutional: layers.convolutional,
    akida.Convolutional: layers.convolutional,
    akida.SeparableConvolutional: layers.separable,
    host.Quantize: border.quantize,
    host.Decode: border.decode,
    host.Dequantize: border.dequantize,
    host.Repeat: axes.every_step,
    host.Max: axes.largest_step,
    host.Last: axes.last_step,
    host.Frames: axes.frames,
    nn.Reshape: axes.reshape,
    nn.Permute: axes.permute,
    nn.Flip: axes.flip,
    nn.Repeat: axes.repeat,
    nn.Pad: axes.pad,
    nn.Relu: axes.relu,
    nn.Clip: axes.clip,
    nn.Argmax: axes.argmax,
    nn.MaxPool: floats.max_pool,
}
"""Operations whose ONNX nodes give the reference's own bits."""

ROUNDED: dict[type[Op], Emit] = {
    host.Sum: axes.sum_of_steps,
    host.Window: axes.window,
    host.Mean: floats.mean_of_steps,
    host.Add: floats.add,
    host.Tanh: floats.unary,
    nn.Dense: floats.dense,
    nn.Conv: floats.conv,
    nn.AveragePool: floats.average_pool,
    nn.Mean: floats.mean,
    nn.BatchNorm: floats.batch_norm,
    nn.Affine: floats.affine,
    nn.Sigmoid: floats.unary,
    nn.Softmax: floats.softmax,
    nn.LogSoftmax: floats.softmax,
}
"""Operations whose ONNX nodes add floats in an order of their own; sums of whole numbers are exact here too."""

EMITTERS = {**EXACT, **ROUNDED}


def to_onnx(module: Module) -> bytes:
    """A whole network as an ONNX file of standard operators (opset 17), opened by any runtime.

    Inputs and outputs are the text's own: [n, *shape] or [n, T, *shape], levels as uint8, potentials as int32, floats
    as float32; n is free. Chip layers and border operations give the simulator's integers, whatever the runtime: every
    float sum in them is a whole number below 24 bits.
    Raises DiagnosticError AKC0641 naming every operation that has no form in ONNX here.
    """
    net = module.net
    return fragment(module, tuple(net.ops), (v.name for v in net.inputs), net.outputs)


def fragment(
    module: Module, ops: Sequence[Op], inputs: Iterable[str], outputs: Iterable[str], bytes_are_fast: bool = False
) -> bytes:
    """The ONNX file of some operations.

    inputs, outputs: values of the text, each [n, *shape] or [n, T, *shape] in the numpy type of its element type;
    n is free. bytes_are_fast: run small products of dense
    layers as bytes (MatMulInteger).
    Raises DiagnosticError AKC0641 naming every operation that has no form in ONNX here.
    """
    from onnx import helper

    missing = [op for op in ops if type(op) not in EMITTERS]
    if missing:
        raise DiagnosticError([_no_form(op).diagnostics[0] for op in missing])
    graph = Graph(module, names=set(module.net.values))
    entries = list(inputs)
    for name in entries:
        kind = graph.type_of(name)
        tensor = name if kind.steps is None else graph.reshape(name, kind.shape, f"{name}.folded")
        graph.hold(name, text_form(kind.element.numpy), tensor)
    for op in ops:
        if bytes_are_fast and type(op) in BYTES:
            BYTES[type(op)](graph, op, True)
        else:
            EMITTERS[type(op)](graph, op)
    exits = list(outputs)
    for name in exits:
        kind = graph.type_of(name)
        tensor = graph.get(name, text_form(kind.element.numpy))
        if kind.steps is not None:
            tensor = graph.reshape(tensor, kind.full_shape, f"{name}.unfolded")
        graph.nodes.append(helper.make_node("Identity", [tensor], [name], name=name))
    ends = [[_end(graph, name) for name in names] for names in (entries, exits)]
    proto = helper.make_graph(graph.nodes, module.net.name, *ends, graph.constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    data: bytes = model.SerializeToString()
    return data


def _end(graph: Graph, name: str) -> Any:
    """An input or output of the model."""
    from onnx import helper

    kind = graph.type_of(name)
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(kind.element.numpy), ["n", *kind.full_shape]
    )


def _no_form(op: Op) -> DiagnosticError:
    return error(
        "AKC0641",
        f"{op.mnemonic} (%{op.name}) has no form in an integer ONNX model",
        span=op.span(),
        origin=op.origin,
        help="export the part of the network in front of it, or run the .akd with akc run",
    )
