# SPDX-License-Identifier: Apache-2.0
"""Modules that round by themselves: fake quantisation, exported PT2E programs, live modules of Brevitas."""

from __future__ import annotations

from typing import Any

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from torch import nn
from torch.nn import functional

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context
from akc.sim.run import Runner

KEPT = "quantised as trained"


class Faked(nn.Module):
    """8-bit pictures, weights of at most 7 bits in the image layer, 4-bit levels behind a flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 6, 3, padding=1), nn.Linear(216, 10)

    def forward(self, x: Any) -> Any:
        x = torch.fake_quantize_per_tensor_affine(x, 1 / 255, 0, 0, 255)
        scale, zero = torch.full((6,), 0.01), torch.zeros(6, dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(self.conv.weight, scale, zero, 0, -127, 127)
        x = functional.relu(functional.conv2d(x, weight, self.conv.bias, padding=1)).flatten(1)
        x = torch.fake_quantize_per_tensor_affine(x, 0.07, 0, 0, 15)
        return functional.linear(x, torch.fake_quantize_per_tensor_affine(self.fc.weight, 0.01, 0, -7, 7), self.fc.bias)


class Decomposed(nn.Module):
    """What convert_pt2e writes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("stored", torch.randint(-1, 2, (30, 36), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(30) * 0.02 + 0.01)
        self.register_buffer("zero", torch.zeros(30, dtype=torch.int64))
        self.bias = nn.Parameter(torch.randn(30) / 4)

    def forward(self, x: Any) -> Any:
        own: Any = torch.ops.quantized_decomposed
        x = own.quantize_per_tensor(x.flatten(1), 1 / 15, 0, 0, 15, torch.uint8)
        x = own.dequantize_per_tensor(x, 1 / 15, 0, 0, 15, torch.uint8)
        weight = own.dequantize_per_channel(self.stored, self.scale, self.zero, 0, -7, 7, torch.int8)
        x = functional.relu(functional.linear(x, weight, self.bias))
        x = own.quantize_per_tensor(x, 0.0667, 0, 0, 3, torch.uint8)
        return own.dequantize_per_tensor(x, 0.0667, 0, 0, 3, torch.uint8)


def _exported() -> Any:
    return torch.export.export(Decomposed().eval(), (torch.rand(1, 1, 6, 6),)).module()


def _dense_brevitas(bits: int, **weights: Any) -> Any:
    return nn.Sequential(
        nn.Flatten(),
        qnn.QuantReLU(bit_width=4),
        qnn.QuantLinear(36, 30, bias=True, weight_bit_width=bits, **weights),
        nn.BatchNorm1d(30),
        qnn.QuantReLU(bit_width=2),
        qnn.QuantLinear(30, 10, bias=True, weight_bit_width=bits, **weights),
    )


def _signs() -> Any:
    from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

    return nn.Sequential(
        nn.Flatten(),
        qnn.QuantReLU(bit_width=4),
        qnn.QuantLinear(36, 30, bias=True, weight_quant=SignedBinaryWeightPerTensorConst),
        nn.BatchNorm1d(30),
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst),
        qnn.QuantLinear(30, 10, bias=False, weight_bit_width=4),
    )


def _biased() -> Any:
    from brevitas.quant import Int32Bias

    return nn.Sequential(
        nn.Flatten(),
        qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
        qnn.QuantLinear(36, 30, bias=True, weight_bit_width=2, bias_quant=Int32Bias),
        qnn.QuantReLU(bit_width=2),
        qnn.QuantLinear(30, 10, bias=False, weight_bit_width=2),
    )


MODELS: dict[str, Any] = {
    "fake quantisation": Faked,
    "PT2E": Decomposed,
    "an exported PT2E program": _exported,
    "Brevitas, 2 bits": lambda: _dense_brevitas(2),
    "Brevitas, 4 bits": lambda: _dense_brevitas(4),
    "Brevitas, signs": _signs,
    "Brevitas, whole biases": _biased,
}


@pytest.mark.parametrize("name", MODELS)
def test_levels_of_modules_are_kept(name: str) -> None:
    torch.manual_seed(2)
    model = MODELS[name]()
    if name.startswith("Brevitas"):
        model.train()
        for _ in range(3):
            model(torch.rand(64, 1, 6, 6))
        model.eval()
    x = torch.rand(100, 1, 6, 6)
    with torch.no_grad():
        wanted = torch.cat([model(one[None]) for one in x]).numpy()
    context = Context()
    module = akc.lower(model, example=(1, 1, 6, 6), context=context)
    found = Runner(module).run({module.net.inputs[0].name: x.numpy()})[module.net.outputs[0]].reshape(100, -1)
    layers = context.reports[KEPT].layers
    assert all(not layer.why for layer in layers)
    if all(layer.holds for layer in layers):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)
    assert sum(layer.off for layer in layers) <= 0.2 * sum(layer.reachable for layer in layers)
    if name in ("fake quantisation", "Brevitas, signs", "Brevitas, 2 bits"):
        assert all(layer.holds for layer in layers)


def test_a_quantiser_with_many_scales_is_refused_by_name() -> None:
    model = nn.Sequential(
        qnn.QuantReLU(
            bit_width=4,
            per_channel_broadcastable_shape=(1, 6),
            scaling_per_output_channel=True,
            scaling_stats_permute_dims=(1, 0),
        ),
        qnn.QuantLinear(6, 3, bias=True, weight_bit_width=4),
    )
    model(torch.rand(8, 6))
    with pytest.raises(DiagnosticError, match="AKC0454") as refused:
        akc.lower(model.eval(), example=(1, 6))
    assert "6 scales" in refused.value.diagnostics[0].message
