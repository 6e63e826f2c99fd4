# SPDX-License-Identifier: Apache-2.0
"""ONNX files, opset 11 and later, as both exporters of PyTorch and others write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from akc.frontends.building import build_module
from akc.frontends.emit import KINDS, emit_opaque
from akc.frontends.onnx_file import load_model
from akc.frontends.onnx_graph import read_graph
from akc.frontends.recognise import recognise
from akc.frontends.simplify import simplify
from akc.frontends.unrolled_spiking import fold_spiking
from akc.ir.module import Module

if TYPE_CHECKING:
    import onnx


def read_onnx(
    source: str | Path | bytes | onnx.ModelProto, name: str | None = None, readout: str | None = None
) -> Module:
    """The network of an ONNX file (a path, or - for stdin), of its bytes, or of a loaded model.

    The batch axis is removed; every other axis must be fixed. What akc has no operation for arrives as
    nn.opaque under the name that users know it by. readout: how a spiking network is read that was written out and
    gives the values of all its steps (see akc.frontends.spiking.READOUTS). Raises DiagnosticError with every fault
    found: AKC0301 to AKC0314, AKC0379.
    """
    model, own_name = load_model(source)
    graph = read_graph(model, name or own_name)
    folded = fold_spiking(graph, readout)
    if folded is not None:
        return folded
    recognise(graph)
    simplify(graph)
    return build_module(graph, KINDS, emit_opaque)
