# SPDX-License-Identifier: Apache-2.0
"""Spiking neurons with the gates of an LSTM inside each step."""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import WeightName, flag, integers, keyword, number_or_weight, weight_ref
from akc.ir.ops.snn import RESETS, Neuron
from akc.ir.signature import TypeFault, Types, need_dtype, need_rank
from akc.ir.types import TensorType


@frozen(kw_only=True)
class Gated(Neuron):
    """Layers with LSTM gates inside each step; their state is a membrane (hidden) and a current (cell)."""

    threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    reset: str = keyword("what a spike does to the membrane", *RESETS, default="none")
    touchable = False
    layer_name = ""
    """What the framework calls the layer."""


@frozen(kw_only=True)
class Lstm(Gated):
    """snn.SLSTM: an LSTM cell (gates input, forget, cell, output); its hidden state fires above threshold.

    snnTorch 1.0.0 loses the state at every step where inputs and hidden states differ in number: forgets.

    %s = snn.lstm(%x, threshold=0.1, w_ih=#l.w_ih, w_hh=#l.w_hh, b_ih=#l.b_ih, b_hh=#l.b_hh) : f32[T=15, 64] from "l"
    """

    mnemonic = "snn.lstm"
    layer_name = "SLSTM"
    w_ih: str = weight_ref("[4 hidden, features]", "f32")
    w_hh: str = weight_ref("[4 hidden, hidden]", "f32")
    b_ih: str | None = weight_ref("[4 hidden]", "f32", optional=True)
    b_hh: str | None = weight_ref("[4 hidden]", "f32", optional=True)
    forgets: bool = flag("whether the state is zero again before each step")

    def infer(self, types: Types) -> TensorType:
        """[T, hidden]."""
        x, w_ih, w_hh = _timed(self, types, 1), types.weight(self.w_ih), types.weight(self.w_hh)
        hidden = w_hh.shape[-1]
        if w_ih.shape != (4 * hidden, x.shape[0]) or w_hh.shape != (4 * hidden, hidden):
            raise TypeFault(f"weights {w_ih} and {w_hh} do not fit %{self.x}, which is {x}", "w_ih")
        types.check_vector(self.b_ih, 4 * hidden, "b_ih")
        types.check_vector(self.b_hh, 4 * hidden, "b_hh")
        _check_threshold(self, types, hidden)
        return x.with_shape(hidden)


@frozen(kw_only=True)
class ConvLstm(Gated):
    """snn.SConv2dLSTM: one convolution of input and hidden map gives the gates input, forget, output, cell.

    It pads by half its kernel. The hidden map is pooled before it is held against the threshold; its
    windows meet and do not overlap.

    %s = snn.conv_lstm(%x, weight=#l.weight, bias=#l.bias, pool=max, size=[2, 2]) : f32[T=15, 8, 8, 4] from "slstm1"
    """

    mnemonic = "snn.conv_lstm"
    layer_name = "SConv2dLSTM"
    weight: str = weight_ref("[4 filters, k0, k1, channels + filters]", "f32")
    bias: str | None = weight_ref("[4 filters]", "f32", optional=True)
    pool: str = keyword("what is done to the hidden map before it fires", "none", "max", "average", default="none")
    size: tuple[int, ...] = integers("window of the pool on d0 and d1", 2, (1, 1), low=1)

    def infer(self, types: Types) -> TensorType:
        """[T, d0, d1, filters], pooled for spikes."""
        x, w = _timed(self, types, 3), types.weight(self.weight)
        need_rank(w, 4, f"weight of {self.mnemonic}")
        filters = w.shape[0] // 4
        if w.shape[0] % 4 or w.shape[3] != x.shape[2] + filters or not all(k % 2 for k in w.shape[1:3]):
            raise TypeFault(f"#{self.weight} is {w}, %{self.x} is {x}; kernels are odd", "weight")
        types.check_vector(self.bias, w.shape[0], "bias")
        _check_threshold(self, types, filters)
        pooled = self.pool != "none" and self.output == "spikes"
        places = tuple(n // s if pooled else n for n, s in zip(x.shape, self.size))
        return x.with_shape(*places, filters)


def _timed(op: Gated, types: Types, rank: int) -> TensorType:
    """The type of the input, which must have a time axis and this rank."""
    op.check_touches()
    x = types.value(op.x)
    need_dtype(x, op.mnemonic, "f32")
    need_rank(x, rank, op.mnemonic)
    if x.steps is None:
        raise TypeFault(f"%{op.x} has no time axis, found {x}", "x", help="put host.repeat(steps=...) in front")
    return x


def _check_threshold(op: Gated, types: Types, length: int) -> None:
    if isinstance(op.threshold, WeightName):
        types.check_vector(op.threshold, length, "threshold")
