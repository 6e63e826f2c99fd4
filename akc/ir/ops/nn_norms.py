# SPDX-License-Identifier: Apache-2.0
"""Normalisations whose statistics are those of each sample, which the host computes."""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import integer, number, operand, weight_ref
from akc.ir.ops.nn_host import HostLayer
from akc.ir.signature import TypeFault, Types
from akc.ir.types import TensorType


@frozen(kw_only=True)
class Norm(HostLayer):
    """(x - mean) / sqrt(variance + epsilon) * scale + shift, with statistics of each sample."""

    x: str = operand("input, channels last")
    scale: str | None = weight_ref("factor; 1 where absent", "f32", optional=True)
    shift: str | None = weight_ref("summand; 0 where absent", "f32", optional=True)
    epsilon: float = number("added to the variance", 1e-5, low=0.0)

    def check(self, types: Types, shape: tuple[int, ...]) -> None:
        """Raise TypeFault unless scale and shift have this shape."""
        for key, name in (("scale", self.scale), ("shift", self.shift)):
            if name is not None and types.weight(name).shape != shape:
                raise TypeFault(f"#{name} is {types.weight(name)}, {list(shape)} is needed", key)


@frozen(kw_only=True)
class LayerNorm(Norm):
    """Statistics over the last axes.

    %y = nn.layer_norm(%x, scale=#norm.scale, shift=#norm.shift) : f32[49, 64] from "norm1"
    """

    mnemonic = "nn.layer_norm"
    layer_name = "LayerNorm"
    axes: int = integer("how many axes, from the last one on", 1, low=1)

    def infer(self, types: Types) -> TensorType:
        """Unchanged; scale and shift have the shape of the axes."""
        return _last_axes(self, types, self.axes)


@frozen(kw_only=True)
class RmsNorm(Norm):
    """x / sqrt(mean of squares + epsilon) * scale + shift, over the last axes.

    %y = nn.rms_norm(%x, scale=#norm.scale) : f32[49, 64] from "norm1"
    """

    mnemonic = "nn.rms_norm"
    layer_name = "RMSNorm"
    axes: int = integer("how many axes, from the last one on", 1, low=1)

    def infer(self, types: Types) -> TensorType:
        """Unchanged; scale and shift have the shape of the axes."""
        return _last_axes(self, types, self.axes)


def _last_axes(op: LayerNorm | RmsNorm, types: Types, count: int) -> TensorType:
    x = types.value(op.x)
    if count > len(x.shape):
        raise TypeFault(f"%{op.x} is {x}, it does not have {count} axes", "axes")
    op.check(types, x.shape[len(x.shape) - count :])
    return x


@frozen(kw_only=True)
class GroupNorm(Norm):
    """Statistics over each group of neighbouring channels and all axes but the last; scale and shift [channels].

    %y = nn.group_norm(%x, groups=4, scale=#norm.scale, shift=#norm.shift) : f32[8, 8, 16] from "norm1"
    """

    mnemonic = "nn.group_norm"
    layer_name = "GroupNorm"
    groups: int = integer("number of groups", low=1)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        if not x.shape or x.shape[-1] % self.groups:
            raise TypeFault(f"%{self.x} is {x}, its channels do not make {self.groups} groups", "groups")
        self.check(types, x.shape[-1:])
        return x


@frozen(kw_only=True)
class InstanceNorm(Norm):
    """Statistics over each channel: all axes but the last; scale and shift [channels].

    %y = nn.instance_norm(%x) : f32[8, 8, 16] from "norm1"
    """

    mnemonic = "nn.instance_norm"
    layer_name = "InstanceNorm"

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        x = types.value(self.x)
        self.check(types, x.shape[-1:])
        return x


@frozen(kw_only=True)
class LocalResponseNorm(HostLayer):
    """x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ** beta.

    Channel c has (size - 1) // 2 neighbours in front and size // 2 behind (ONNX; PyTorch the other way round).

    %y = nn.local_response_norm(%x, size=5, alpha=0.0001, beta=0.75) : f32[27, 27, 96] from "norm1"
    """

    mnemonic = "nn.local_response_norm"
    layer_name = "local response normalization"
    x: str = operand("input, channels last")
    size: int = integer("how many channels, the own one included", low=1)
    alpha: float = number("factor of the sum", 1e-4)
    beta: float = number("exponent", 0.75)
    bias: float = number("summand", 1.0)

    def infer(self, types: Types) -> TensorType:
        """Unchanged."""
        return types.value(self.x)
