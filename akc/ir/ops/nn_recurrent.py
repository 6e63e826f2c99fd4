# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers over the first axis, which the host computes."""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import keyword, operand, weight_ref
from akc.ir.module import Op
from akc.ir.signature import TypeFault, Types, need_rank
from akc.ir.types import TensorType


@frozen(kw_only=True)
class Recurrent(Op):
    """Recurrent layers over axis 0 (time); weights in PyTorch's gate order and layout."""

    x: str = operand("input, [time, features]")
    w_ih: str = weight_ref("[gates * hidden, features]", "f32")
    w_hh: str = weight_ref("[gates * hidden, hidden]", "f32")
    b_ih: str | None = weight_ref("[gates * hidden]", "f32", optional=True)
    b_hh: str | None = weight_ref("[gates * hidden]", "f32", optional=True)
    output: str = keyword("every hidden state, or the last one", "all", "last", default="all")
    gates = 1

    @property
    def layer_name(self) -> str:
        """The name that people use for the layer."""
        return self.mnemonic.removeprefix("nn.").upper()

    def infer(self, types: Types) -> TensorType:
        """[time, hidden] or [hidden]."""
        x, w_ih, w_hh = types.value(self.x), types.weight(self.w_ih), types.weight(self.w_hh)
        need_rank(x, 2, self.mnemonic)
        hidden = w_hh.shape[-1]
        if w_ih.shape != (self.gates * hidden, x.shape[1]) or w_hh.shape != (self.gates * hidden, hidden):
            raise TypeFault(f"weights {w_ih} and {w_hh} do not fit %{self.x}, which is {x}", "w_ih")
        types.check_vector(self.b_ih, self.gates * hidden, "b_ih")
        types.check_vector(self.b_hh, self.gates * hidden, "b_hh")
        return x.with_shape(hidden) if self.output == "last" else x.with_shape(x.shape[0], hidden)


@frozen(kw_only=True)
class Lstm(Recurrent):
    """Long short-term memory, gates in the order input, forget, cell, output.

    %y = nn.lstm(%x, w_ih=#l.w_ih, w_hh=#l.w_hh, b_ih=#l.b_ih, b_hh=#l.b_hh, output=last) : f32[64] from "lstm"
    """

    mnemonic = "nn.lstm"
    gates = 4


@frozen(kw_only=True)
class Gru(Recurrent):
    """Gated recurrent unit, gates in the order reset, update, new; reset acts on the product with w_hh.

    %y = nn.gru(%x, w_ih=#g.w_ih, w_hh=#g.w_hh, b_ih=#g.b_ih, b_hh=#g.b_hh) : f32[49, 64] from "gru"
    """

    mnemonic = "nn.gru"
    gates = 3


@frozen(kw_only=True)
class Rnn(Recurrent):
    """Plain recurrent layer.

    %y = nn.rnn(%x, w_ih=#r.w_ih, w_hh=#r.w_hh, nonlinearity=tanh) : f32[49, 64] from "rnn"
    """

    mnemonic = "nn.rnn"
    nonlinearity: str = keyword("what follows the sum", "tanh", "relu", default="tanh")
