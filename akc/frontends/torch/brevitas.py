# SPDX-License-Identifier: Apache-2.0
"""Live modules of Brevitas: its layers become PyTorch's own with quantisers that can be traced.

Brevitas decides by the values of tensors, which torch.export cannot follow. Layers are known by what they have, so
that Brevitas need not be imported; documentation: https://xilinx.github.io/brevitas/.
"""

from __future__ import annotations

import copy
from typing import Any

from akc.base.diagnostics import error

ROUNDINGS = {"ROUND": "even", "FLOOR": "down", "CEIL": "up"}
"""Words of nn.levels for those of Brevitas."""


def is_quantised(module: Any) -> bool:
    """Whether a module holds layers of Brevitas."""
    return any(type(one).__module__.startswith("brevitas.") for one in module.modules())


def plain(module: Any, inputs: tuple[Any, ...]) -> Any:
    """A copy of a module in evaluation mode with PyTorch's layers in place of Brevitas'.

    Raises DiagnosticError AKC0454 for quantisers that the text has no words for.
    """
    import torch

    copied = copy.deepcopy(module).eval()
    biased = [one for one in copied.modules() if _has_weights(one) and one.bias_quant.is_quant_enabled]
    for one in biased:
        one.bias_quant.register_forward_hook(_keeper(one))
    if biased:
        with torch.no_grad():
            copied(*inputs)
    if _replaces(copied):
        return _replacement(copied, "")
    _replace(copied, "")
    return copied


def _keeper(layer: Any) -> Any:
    """A hook that keeps the bias that a layer was given last: its scale may hang on the input's."""

    def keep(proxy: Any, given: Any, result: Any) -> None:
        layer.kept_bias = getattr(result, "value", result).detach().clone()

    return keep


def _has_weights(module: Any) -> bool:
    return hasattr(module, "weight_quant") and hasattr(module, "quant_weight")


def _replaces(module: Any) -> bool:
    return _has_weights(module) or (hasattr(module, "act_quant") and type(module).__module__.startswith("brevitas."))


def _replace(module: Any, path: str) -> None:
    for name, child in module.named_children():
        inner = f"{path}.{name}" if path else name
        if _replaces(child):
            setattr(module, name, _replacement(child, inner))
        else:
            _replace(child, inner)


def _replacement(module: Any, path: str) -> Any:
    from torch import nn

    parts: list[Any] = []
    if _has_weights(module):
        parts += [*_levels(module.input_quant, path), _layer(module), *_levels(module.output_quant, path)]
    else:
        inner = module.act_quant.fused_activation_quant_proxy
        given = [] if inner is None else [inner.activation_impl]
        parts += [one for one in given if type(one).__name__ != "Identity"] + _levels(module.act_quant, path)
    return parts[0] if len(parts) == 1 else nn.Sequential(*parts) if parts else nn.Identity()


def _levels(quantiser: Any, path: str) -> list[Any]:
    """The traceable form of an activation's quantiser; none where it is switched off."""
    if not quantiser.is_quant_enabled:
        return []
    scale, zero, bits = (one().detach() for one in (quantiser.scale, quantiser.zero_point, quantiser.bit_width))
    word = ROUNDINGS.get(str(quantiser.rounding_mode).split(".")[-1].upper())
    if scale.numel() != 1 or word is None or float(bits) % 1:
        found = f"{scale.numel()} scales" if scale.numel() != 1 else f"rounding {quantiser.rounding_mode}"
        raise error(
            "AKC0454",
            f"the quantiser of {path or 'the module'} has {found}, {float(bits):g} bits",
            help="one scale for the whole tensor, a whole number of bits, rounding ROUND, FLOOR or CEIL",
        )
    from akc.frontends.graph.quantisers import levels_attributes
    from akc.frontends.torch.levels_op import fake_levels

    size, width, signed = float(scale), int(bits), bool(quantiser.is_signed)
    if width == 1 and signed:
        return [fake_levels()(-size, size, 2 * size, "upper")]
    low = -(2 ** (width - 1)) + bool(quantiser.is_narrow_range) if signed else 0
    high = 2 ** (width - 1) - 1 if signed else 2**width - 1 - bool(quantiser.is_narrow_range)
    return [fake_levels()(**levels_attributes(size, float(zero), (low, high), word, True))]


def _layer(module: Any) -> Any:
    """PyTorch's layer with the numbers that the quantised weights stand for, and the size of their steps."""
    import torch
    from torch import nn

    from akc.frontends.torch.levels_op import stepped

    kind: Any = next(one for one in type(module).__mro__ if one.__module__.startswith("torch.nn.modules"))
    weight = module.quant_weight()
    shape = {"bias": module.bias is not None}
    if issubclass(kind, nn.Linear):
        layer = kind(module.in_features, module.out_features, **shape)
    else:
        geometry = ("stride", "padding", "dilation", "groups", "padding_mode")
        fields: dict[str, Any] = {key: getattr(module, key) for key in geometry}
        layer = kind(module.in_channels, module.out_channels, module.kernel_size, **fields, **shape)
    value = getattr(weight, "value", weight)
    layer.weight = nn.Parameter(value.detach().clone())
    if module.bias is not None:
        layer.bias = nn.Parameter(getattr(module, "kept_bias", module.bias).detach().clone())
    scale = getattr(weight, "scale", None)
    if not module.weight_quant.is_quant_enabled or scale is None or not bool(torch.isfinite(scale).all()):
        return layer
    units = value.shape[0]
    if scale.numel() == 1:
        return stepped()(layer, scale.detach().reshape(1).repeat(units))
    return stepped()(layer, scale.detach().reshape(-1)) if scale.numel() == units == scale.shape[0] else layer
