# SPDX-License-Identifier: Apache-2.0
"""Border operations: what the host does between the source network's numbers and the chip's."""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import WeightName, integer, number_or_weight, operand, weight_ref
from akc.ir.module import Op
from akc.ir.signature import TypeFault, Types, need_dtype
from akc.ir.types import TensorType


@frozen(kw_only=True)
class Quantize(Op):
    """Floats to levels: clip(round_half_even(x / scale) + zero_point, 0, 2**bits - 1).

    A vector [n] becomes [1, 1, n], since chip values have three axes. scale is in units of x.

    %q = host.quantize(%x, scale=0.06666667, bits=4) : u4[1, 1, 784]
    """

    mnemonic = "host.quantize"
    border = True
    x: str = operand("input, f32")
    scale: float | WeightName = number_or_weight("size of one level, one number or [channels]")
    zero_point: int = integer("the level of 0.0", 0)
    bits: int = integer("bits of a level", low=1, high=8)

    def infer(self, types: Types) -> TensorType:
        """u<bits> with three axes."""
        x = types.value(self.x)
        need_dtype(x, "host.quantize", "f32")
        if self.bits not in (1, 2, 3, 4, 8):
            raise TypeFault(f"levels have 1, 2, 3, 4 or 8 bits, found {self.bits}", "bits", code="AKC0107")
        return TensorType(f"u{self.bits}", _three_axes(x), x.steps)


def _three_axes(x: TensorType) -> tuple[int, ...]:
    if len(x.shape) > 3:
        raise TypeFault(f"a chip value has at most three axes, found {x}")
    return (1,) * (3 - len(x.shape)) + x.shape


@frozen(kw_only=True)
class Decode(Op):
    """Potentials to floats: float32(int32(P - threshold)) / act_step, as the vendor's predict does.

    [1, 1, n] becomes [n].

    %y = host.decode(%p, threshold=#fc2.threshold, act_step=#fc2.act_step) : f32[10]
    """

    mnemonic = "host.decode"
    border = True
    x: str = operand("potentials, i32")
    threshold: str | None = weight_ref("[channels]; 0 where absent", "i32", optional=True)
    act_step: str | None = weight_ref("[channels]; 1 where absent", "f32", optional=True)

    def infer(self, types: Types) -> TensorType:
        """f32, leading axes of length 1 dropped."""
        x = types.value(self.x)
        need_dtype(x, "host.decode", "i32")
        types.check_vector(self.threshold, x.shape[-1], "threshold")
        types.check_vector(self.act_step, x.shape[-1], "act_step")
        return TensorType("f32", x.shape[2:] if x.shape[:2] == (1, 1) else x.shape, x.steps)


@frozen(kw_only=True)
class Dequantize(Op):
    """Levels to floats: (x - zero_point) * scale; [1, 1, n] becomes [n].

    %y = host.dequantize(%s, scale=0.4) : f32[10]
    """

    mnemonic = "host.dequantize"
    border = True
    x: str = operand("levels")
    scale: float | WeightName = number_or_weight("size of one level, one number or [channels]")
    zero_point: int = integer("the level of 0.0", 0)

    def infer(self, types: Types) -> TensorType:
        """f32, leading axes of length 1 dropped."""
        x = types.value(self.x)
        need_dtype(x, "host.dequantize", "u1", "u2", "u3", "u4", "u8")
        return TensorType("f32", x.shape[2:] if x.shape[:2] == (1, 1) else x.shape, x.steps)
