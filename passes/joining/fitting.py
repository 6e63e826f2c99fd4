# SPDX-License-Identifier: Apache-2.0
"""Whether the chip has a layer of these sizes: the target is asked with a layer whose weights are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module, Net, Sequence, Value
from akc.ir.ops import akida
from akc.ir.signature import TypeFault, Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.joining.plan import Layer
from akc.passes.joining.sums import Pair
from akc.targets import Numbers, Target


def obstacle_in(layer: Layer, target: Target) -> str | None:
    """Why the chip cannot take a layer, in words; None where it can."""
    found = []
    for probe in _probes(layer, target.numbers):
        found.append(_obstacle(probe, target))
        if found[-1] is None:
            return None
    return found[0]


def _obstacle(probe: Module | str, target: Target) -> str | None:
    """Why the chip cannot take the one layer of a module, or what is said in place of one."""
    if isinstance(probe, str):
        return probe
    fault = next((d for d in target.check(probe) if d.severity == "error"), None)
    if fault is not None:
        return fault.message.split(": ", 1)[-1]
    try:
        target.place(probe, "compact")
    except DiagnosticError as refused:
        return refused.diagnostics[0].message
    return None


def _probes(layer: Layer, chip: Numbers) -> Iterator[Module | str]:
    """Modules of one chip layer of these sizes, one for each form that later passes may give it."""
    if layer.flat:
        x = (1, 1, prod(layer.before))
        yield _module(chip.bits, akida.FullyConnected, x, {"weights": (layer.shape[2], x[2])})
        return
    stride, kernel = _kernel(layer, chip)
    channels, filters = layer.before[2], layer.shape[2]
    if kernel is None:
        yield f"the kernel is {'x'.join(map(str, layer.taps.shape[1:3]))} with stride {list(layer.stride)}"
    elif not layer.depthwise:
        taps = {"weights": (filters, kernel, kernel, channels)}
        yield _module(chip.bits, akida.Convolutional, layer.before, taps, stride=stride)
    if kernel is not None and (layer.depthwise or kernel == 1):
        depthwise = max(kernel, chip.smallest(depthwise=True))
        weights = {"weights": (channels, depthwise, depthwise), "pointwise": (filters, channels)}
        yield _module(chip.bits, akida.SeparableConvolutional, layer.before, weights, stride=stride)


def _kernel(layer: Layer, chip: Numbers) -> tuple[Pair, int | None]:
    """Stride and kernel on the chip; a stride that split-stride takes out of the layer counts as 1."""
    size, step = max(*layer.taps.shape[1:3], chip.smallest(layer.depthwise)), max(layer.stride)
    if min(layer.stride) != step:
        return layer.stride, None
    splits = step in (2, 4) and layer.top is not None and chip.largest(2) and chip.largest(step) < size
    stride = (1, 1) if splits else layer.stride
    return stride, next((k for k in chip.kernels.get(stride[0], ()) if k >= size), None)


def _module(
    bits: int, kind: type[akida.Layer], x: tuple[int, ...], weights: Mapping[str, tuple[int, ...]], **fields: Any
) -> Module | str:
    kinds = {name: TensorType(f"i{bits}", shape) for name, shape in weights.items()}
    before = Value("x", TensorType(f"u{bits}", x))
    fields |= {name: name for name in weights}
    op = kind(result=before, x="x", act_bits=bits, **fields)
    try:
        op = evolve(op, result=Value("y", op.infer(Types({"x": before.type}, kinds))))
    except TypeFault as fault:
        return str(fault)
    net = Net(
        name="probe",
        inputs=(before,),
        statements=(Sequence(name="s0", ops=(op,)),),
        outputs=("y",),
        output_types=(op.type,),
    )
    elided = {n: Weight(type=t, codec="elided", payload="sha256:0000000000000000") for n, t in kinds.items()}
    return Module(net=net, weights=elided)
