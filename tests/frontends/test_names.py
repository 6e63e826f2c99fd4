# SPDX-License-Identifier: Apache-2.0
"""Names, and the examples in docstrings of the frontends' helpers."""

from __future__ import annotations

import doctest
import re
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from akc.frontends.graph import windows
from akc.frontends.graph.emit import layout as emit_layout
from akc.frontends.onnx.importer import read_onnx
from akc.frontends.torch.export import read_torch
from akc.ir import names
from akc.ir.names import text_name
from tests.frontends.ways import exported


@pytest.mark.parametrize("module", [names, windows, emit_layout], ids=lambda module: module.__name__)
def test_docstring_examples(module: ModuleType) -> None:
    """What the docstrings show is what the functions give."""
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.text())
def test_any_source_name_becomes_a_name_of_the_text(source: str) -> None:
    """Whatever a tool calls a node, the text has a legal name for it, the same each time."""
    name = text_name(source)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name)
    assert text_name(source) == name


class Net(nn.Module):
    """A layer used twice, a layer in a block, an activation of the block's own."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.ModuleDict({"fc-1": nn.Linear(4, 4)})
        self.out = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer = self.block["fc-1"]
        return self.out(torch.relu(layer(torch.relu(layer(x)))))


def test_names_of_layers_and_shared_weights() -> None:
    """Modules name values and weights; a weight that two layers share is stored once."""
    ways = {
        "torch": read_torch(Net(), (1, 4)),
        "dynamo": read_onnx(exported(Net(), torch.rand(1, 4), True)),
        "older": read_onnx(exported(Net(), torch.rand(1, 4), False)),
    }
    for module in ways.values():
        ops = list(module.net.ops)
        assert [op.name for op in ops if op.mnemonic == "nn.dense"] == ["block.fc_1", "block.fc_1_2", "out"]
        assert list(module.weights) == ["block.fc_1.weight", "block.fc_1.bias", "out.weight", "out.bias"]
        assert all(op.origin for op in ops)


def test_made_up_input_names_are_not_kept() -> None:
    """The older exporter calls a nameless input onnx::Gemm_0 or such."""
    module = read_onnx(exported(nn.Linear(4, 2), torch.rand(1, 4), False))
    assert module.net.inputs[0].name in ("input", "input.1")
