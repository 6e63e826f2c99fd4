# SPDX-License-Identifier: Apache-2.0
"""The three ways from a PyTorch module to the language, and comparing what they give."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from akc.frontends.onnx.importer import read_onnx
from akc.frontends.torch.export import read_torch
from akc.ir.fields import WeightName, fields_of
from akc.ir.module import Module
from akc.ir.verifier import verify

torch.set_num_threads(1)


def exported(module: nn.Module, example: torch.Tensor, dynamo: bool, **options: Any) -> bytes:
    """The bytes of the ONNX file that one of PyTorch's exporters writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(module, (example,), dynamo=True, verbose=False, **options)
            return bytes(program.model_proto.SerializeToString())
        buffer = io.BytesIO()
        torch.onnx.export(module, (example,), buffer, dynamo=False, **options)
        return buffer.getvalue()


def all_ways(module: nn.Module, shape: tuple[int, ...], **options: Any) -> dict[str, Module]:
    """The module read directly, from the newer exporter's file and from the older one's."""
    example = torch.rand(shape)
    ways = {
        "torch": read_torch(module, example),
        "dynamo": read_onnx(exported(module, example, True, **options)),
        "older": read_onnx(exported(module, example, False, **options)),
    }
    for way, imported in ways.items():
        assert not verify(imported), (way, verify(imported))
    return ways


def without_names(module: Module) -> tuple[list[Any], list[np.ndarray[Any, Any]]]:
    """What a module says apart from names and origins, and its weights in order of use.

    Single numbers (the two of nn.affine, whose last bit depends on the exporter) come as float32.
    """
    values: dict[str, str] = {}
    weights: dict[str, str] = {}
    for value in module.net.inputs:
        values[value.name] = f"v{len(values)}"
    statements: list[Any] = []
    for op in module.net.ops:
        renamed = op.renamed(values)
        fields: dict[str, Any] = {}
        for info in fields_of(type(op)):
            raw = getattr(renamed, info.name)
            if info.kind.weights(raw):
                raw = WeightName(weights.setdefault(str(raw), f"w{len(weights)}"))
            elif isinstance(raw, float):
                raw = float(np.float32(raw))
            fields[info.name] = raw
        values[op.name] = f"v{len(values)}"
        statements.append((op.mnemonic, fields, op.type))
    signature = ([v.type for v in module.net.inputs], [values[o] for o in module.net.outputs], module.net.output_types)
    return [signature, *statements], [module.array(name) for name in weights]


def same_network(one: Module, other: Module) -> None:
    """Assert that two modules are equal up to names, weights to the last bits of a float."""
    (text, weights), (text2, weights2) = without_names(one), without_names(other)
    assert text == text2
    for a, b in zip(weights, weights2, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


__all__ = ["all_ways", "exported", "same_network", "without_names"]
