# SPDX-License-Identifier: Apache-2.0
"""The batch axis of an ONNX file: open, fixed at one or fixed at more, the text is the same."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch.export import Dim

from akc.frontends.onnx.importer import read_onnx
from akc.frontends.torch.export import read_torch
from tests.frontends.ways import exported, same_network
from tests.frontends.zoo import NETWORKS, randomised

NAMES = ("mlp", "lenet", "ds_cnn", "akidanet", "odd", "signal", "lstm", "lstm_stacked", "gru")


@pytest.mark.parametrize("name", NAMES)
def test_open_and_fixed_batches(name: str) -> None:
    """Files with an open batch and with a batch of four are read like one with a batch of one."""
    make, shape = NETWORKS[name]
    torch.manual_seed(1)
    module = randomised(make())
    wanted = read_torch(module, shape)
    four = torch.rand(4, *shape[1:])
    files = {
        "dynamo, open": exported(module, four, True, dynamic_shapes=({0: Dim("batch")},)),
        "dynamo, four": exported(module, four, True),
        "older, open": exported(module, four, False, input_names=["x"], dynamic_axes={"x": {0: "batch"}}),
        "older, four": exported(module, four, False),
    }
    for data in files.values():
        same_network(wanted, read_onnx(data))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Mean", "Argmax"])
def test_mixing_samples_is_no_layer(operator: str) -> None:
    """An operation along the batch axis is right for a batch of one and for no other: it stays opaque."""
    functions = {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax, "Mean": torch.mean, "Argmax": torch.argmax}

    class Mixing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functions[operator](x, 0)

    for module in (read_torch(Mixing(), (1, 4)), read_onnx(exported(Mixing(), torch.rand(2, 4), False))):
        assert [op.op for op in module.net.ops] == [f"{operator} over the batch axis"]  # type: ignore[attr-defined]


def test_another_open_axis_is_refused() -> None:
    """Networks without a dense layer can be exported with open map sizes; the message names the axes."""
    module = torch.nn.Conv2d(3, 4, 3)
    axes = {"x": {0: "batch", 2: "height", 3: "width"}}
    data = exported(module, torch.rand(1, 3, 8, 8), False, input_names=["x"], dynamic_axes=axes)
    with pytest.raises(Exception, match=r"(?s)axis 2 of input x has no fixed length \(height\).*axis 3 of input x"):
        read_onnx(data)


def test_axes_written_as_minus_one_are_open() -> None:
    """Some converters write them so; the caller's own model stays as it is."""
    module = torch.nn.Linear(4, 3)
    model = onnx.load_from_string(exported(module, torch.rand(1, 4), False))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = -1
    before = model.SerializeToString()
    same_network(read_torch(module, (1, 4)), read_onnx(model))
    assert model.SerializeToString() == before


def test_a_file_by_its_path(tmp_path: Path) -> None:
    """The network is called after the file."""
    path = tmp_path / "my-net.onnx"
    path.write_bytes(exported(torch.nn.Linear(4, 3), torch.rand(1, 4), True))
    assert read_onnx(path).net.name == "my_net"
    assert read_onnx(path, "other").net.name == "other"
