# SPDX-License-Identifier: Apache-2.0
"""Cells of recurrent layers (nn.LSTMCell, nn.GRUCell, nn.RNNCell), written out as the layers that they consist of.

The formulas are those of PyTorch's documentation of the three classes; each row takes the operator's own arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def written_out(program: Any) -> Any:
    """The program of torch.export without cells."""
    import torch

    table = {getattr(torch.ops.aten, name).default: rule for name, rule in CELLS.items()}
    if any(node.target in table for node in program.graph_module.graph.nodes):
        return program.run_decompositions(table)
    return program


def _lstm(x: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    import torch
    from torch.nn.functional import linear

    hidden, cell = state
    i, f, g, o = (linear(x, w_ih, b_ih) + linear(hidden, w_hh, b_hh)).chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def _gru(x: Any, hidden: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    import torch
    from torch.nn.functional import linear

    r, z, n = linear(x, w_ih, b_ih).chunk(3, -1)
    hr, hz, hn = linear(hidden, w_hh, b_hh).chunk(3, -1)
    reset, update = torch.sigmoid(r + hr), torch.sigmoid(z + hz)
    new = torch.tanh(n + reset * hn)
    return (1 - update) * new + update * hidden


def _plain(activation: str) -> Callable[..., Any]:
    """A cell with one activation, by the name of PyTorch's function."""

    def cell(x: Any, hidden: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        import torch
        from torch.nn.functional import linear

        return getattr(torch, activation)(linear(x, w_ih, b_ih) + linear(hidden, w_hh, b_hh))

    return cell


CELLS: dict[str, Callable[..., Any]] = {
    "lstm_cell": _lstm,
    "gru_cell": _gru,
    "rnn_tanh_cell": _plain("tanh"),
    "rnn_relu_cell": _plain("relu"),
}
