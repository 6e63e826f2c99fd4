# SPDX-License-Identifier: Apache-2.0
"""Random .akir texts through every pass: each pass keeps what it promises, or refuses; texts read back as they were.

python -m tests.fuzz.texts 3000 log.jsonl      # goes on where the log ends; prints what was refused, and why

A text is a random chain of layers as networks have them, or a random ONNX graph or spiking module as akc imports it.
It goes down a default pipeline, pass by pass, or through passes in random order.
"""

from __future__ import annotations

from random import Random

import numpy as np

import akc
from akc.ir.module import Module
from akc.passes import LOWER, PASSES, SPIKING
from tests.fuzz.logged import run
from tests.fuzz.onnx_building import Builder, Unfit
from tests.fuzz.onnx_graphs import graph
from tests.fuzz.onnx_nodes import MAKERS
from tests.fuzz.spiking_modules import Written, example

LAYERS = (
    *("Conv", "Conv", "Conv", "Relu", "Relu", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Clip", "Add", "Mul", "Pad", "Flatten", "Gemm", "Transpose", "Slice", "Concat", "Dropout", "MatMul"),
)
"""Operators of networks for the chip, the usual ones more often."""

UNPROVED = {"learn", "place"}
"""Passes that take longer, and are proved on programs."""


def chain(seed: int) -> Module:
    """A network of layers that the chip knows, more or less."""
    b = Builder(seed)
    shape = b.r.choice([(3, 8, 8), (1, 10, 10), (4, 6, 6), (8,)])
    b.inputs.append("in0")
    b.values["in0"] = b.n.uniform(0, 1, (1, *shape)).astype(np.float32)
    wanted = b.r.randint(2, 8)
    for _ in range(40):
        if wanted:
            try:
                MAKERS[b.r.choice(LAYERS)](b)
                wanted -= 1
            except Unfit:
                continue
    return akc.lower(b.model([list(b.values)[-1]]), pipeline="", input_range=(0.0, 1.0), check="off")


def text(seed: int) -> tuple[Module, list[str]]:
    """A module and passes for it."""
    r = Random(seed)
    kind = r.choice(["chain"] * 4 + ["graph", "spiking"])
    if kind == "chain":
        module, pipeline = chain(seed), LOWER
    elif kind == "graph":
        module, pipeline = akc.lower(graph(seed)[0], pipeline="", host="allow", check="off"), LOWER
    else:
        network = Written(seed).eval()
        module = akc.lower(network, example=example(network), pipeline="", host="allow", check="off")
        pipeline = SPIKING[r.choice(list(SPIKING))]
    if r.random() < 0.3:
        return module, r.choices([name for name in PASSES if name not in UNPROVED], k=6)
    return module, pipeline.split(",")


def verdict(seed: int) -> str:
    """ "kept", or the code of the refusal; raises where a pass breaks its promise or a text reads back otherwise."""
    try:
        module, passes = text(seed)
    except akc.DiagnosticError as refusal:
        return f"no text: {refusal.diagnostics[0].code}"
    generator = np.random.default_rng(seed)
    samples = {
        v.name: generator.random((24, *v.type.full_shape)).astype(v.type.element.numpy) for v in module.net.inputs
    }
    for name in passes:
        printed = akc.print_module(module)
        again = akc.parse(printed)
        assert akc.print_module(again) == printed, f"the text before {name} reads back otherwise"
        try:
            module = akc.lower(again, pipeline=name, calibrate=samples, least=0.0, host="allow", check="quick")
        except akc.DiagnosticError as refusal:
            return f"{refusal.diagnostics[0].code} in {name.partition('{')[0]}"
    assert akc.print_module(akc.parse(akc.print_module(module))) == akc.print_module(module)
    return "kept"


if __name__ == "__main__":
    run(verdict)
