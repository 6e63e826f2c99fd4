# SPDX-License-Identifier: Apache-2.0
"""ONNX files, opset 7 and later, as both exporters of PyTorch and others write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from akc.frontends.graph.building import build_module
from akc.frontends.graph.emit.kinds import KINDS, emit_opaque
from akc.frontends.graph.quantisers import settle_quantisers
from akc.frontends.graph.recognise import recognise
from akc.frontends.graph.simplify import simplify
from akc.frontends.onnx.file import import_onnx, load_model
from akc.frontends.onnx.graph import read_graph
from akc.frontends.onnx.qoperators import unfused
from akc.frontends.spiking.unrolled import fold_spiking
from akc.ir.module import Module

if TYPE_CHECKING:
    import onnx


def read_onnx(
    source: str | Path | bytes | onnx.ModelProto,
    name: str | None = None,
    readout: str | None = None,
    example: Any = (),
) -> Module:
    """The network of an ONNX file (a path, or - for stdin), of its bytes, or of a loaded model.

    The batch axis is removed; every other axis is fixed in the file, or by `example`: the shapes (or arrays) of the
    inputs with their batch axis, in order or by name. What akc has no operation for arrives as
    nn.opaque under the name that users know it by. readout: how a spiking network is read that was written out
    and gives the values of all its steps (see akc.frontends.spiking.reader.READOUTS). Raises DiagnosticError with every
    fault found: AKC0301 to AKC0314, AKC0379.
    """
    model, own_name = load_model(source)
    graph = read_graph(unfused(import_onnx(), model), name or own_name, example)
    folded = fold_spiking(graph, readout)
    if folded is not None:
        return folded
    settle_quantisers(graph)
    recognise(graph)
    simplify(graph)
    return build_module(graph, KINDS, emit_opaque)
