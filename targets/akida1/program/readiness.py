# SPDX-License-Identifier: Apache-2.0
"""Whether a sequence is ready for the assembler: a chain of layers, each on NPs that cover it exactly."""

from __future__ import annotations

from collections.abc import Iterator

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module, Sequence
from akc.ir.ops.akida import FullyConnected, Layer
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import KIND_NAMES, LayerFacts, layers_of
from akc.targets.akida1.shares import Share

NP_KINDS = {"image": ("hrc",), "dense": ("fnp3", "fnp2"), "conv": ("cnp1",), "separable": ("cnp1",)}
"""Kind of layer and the kinds of NP that compute it."""
HELP = "akc opt -p place fills in the places"


def faults_of(module: Module, sequence: Sequence, chip: Chip) -> list[Diagnostic]:
    """Every reason why a sequence cannot be assembled, as AKC0613."""
    if not sequence.ops:
        return [Diagnostic(code="AKC0613", message=f"sequence @{sequence.name} is empty")]
    strangers = [op for op in sequence.ops if not isinstance(op, Layer)]
    if strangers:
        return [_fault(op, f"%{op.name} is no layer of the chip") for op in strangers]
    layers = layers_of(module, sequence, chip)
    faults = [_fault(layer.op, text) for layer in layers for text in _layer_faults(layer)]
    return faults + [_fault(layer.op, text) for layer in layers for text in _chain_faults(layer)]


def _fault(op: object, message: str) -> Diagnostic:
    span, origin = op.span("at"), op.origin  # type: ignore[attr-defined]
    return Diagnostic(code="AKC0613", message=message, span=span, origin=origin, help=HELP)


def _layer_faults(layer: LayerFacts) -> Iterator[str]:
    name, at = f"%{layer.op.name}", layer.op.at
    if not at:
        yield f"{name} has no place"
        return
    kinds = NP_KINDS[layer.kind]
    for place in at:
        processor = layer.chip.at(place)
        if place.kind not in kinds:
            yield f"{name}: a {KIND_NAMES[layer.kind]} runs on {' or '.join(kinds)}, not on {place}"
        elif place.kind != "hrc" and (processor is None or place.kind not in processor.kinds):
            yield f"{name}: the mesh has no {place.kind} at {place.column}, {place.row}, {place.id}"
    if layer.kind in ("image", "dense") and len(at) > 1:
        yield f"{name}: a {KIND_NAMES[layer.kind]} runs on one NP, {len(at)} are given"
        return
    shares = [Share.of(place, layer) for place in at]
    covered = sum(share.size for share in shares)
    if covered != layer.filters * layer.size[0] * layer.size[1]:
        yield f"{name}: its places do not cover the layer exactly"


def _chain_faults(layer: LayerFacts) -> Iterator[str]:
    if layer.before is not None and layer.before.name != layer.op.x:
        yield f"%{layer.op.name} reads %{layer.op.x}, the layer in front of it is %{layer.before.name}"
    if layer.kind == "image" and layer.before is not None:
        yield f"%{layer.op.name}: the image layer is the first of its sequence"
    if layer.after is not None and not layer.op.activation:
        yield f"%{layer.op.name} has no activation, only the last layer of a sequence may"
    if layer.after is not None and isinstance(layer.op, FullyConnected) and layer.op.learning is not None:
        yield f"%{layer.op.name} learns, only the last layer of a sequence may"
