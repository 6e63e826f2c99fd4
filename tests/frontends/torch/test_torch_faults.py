# SPDX-License-Identifier: Apache-2.0
"""PyTorch modules and factory files that are at fault: one diagnostic each, at the user's own line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from syrupy.assertion import SnapshotAssertion
from torch import Tensor, nn

from akc.base.diagnostics import DiagnosticError
from akc.frontends.torch.export import load_factory, read_torch
from akc.ir.printer import print_module

HEAD = "import torch\nfrom torch import nn\n\n"

MAKE = "def make():\n    return "
IN_FORWARD = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
"""

FACTORIES = {
    "syntax": HEAD + "def make(:\n    return nn.Linear(4, 3)\n",
    "missing_import": "import torchvision_of_another_machine\n",
    "raises_on_import": HEAD + "weights = {}\nlayer = weights['fc1']\n",
    "raises_in_factory": HEAD + "def helper(n):\n    raise ValueError(f'no layer {n}')\n\n\n" + MAKE + "helper(3)\n",
    "exits": HEAD + "import sys\n\nsys.exit('usage: train.py DATA')\n",
    "wants_arguments": HEAD + "def make(width):\n    return nn.Linear(4, width)\n",
    "gives_a_class": HEAD + "class Net(nn.Module):\n    pass\n\n\n" + MAKE + "Net\n",
    "gives_a_dict": HEAD + MAKE + "nn.Linear(4, 3).state_dict()\n",
    "other_name": HEAD + "def make_model():\n    return nn.Linear(4, 3)\n",
    "forward_raises": HEAD + IN_FORWARD + "        return self.fc(x.reshape(2, 7))\n\n\n" + MAKE + "Net()\n",
    "decides_by_values": HEAD + IN_FORWARD + "        return x if x.sum() > 0 else x * 2\n\n\n" + MAKE + "Net()\n",
}


@pytest.mark.parametrize("name", FACTORIES)
def test_factory_at_fault(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text_snapshot: SnapshotAssertion
) -> None:
    """One message with the place in the user's file, and no traceback."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FACTORIES[name])
    with pytest.raises(DiagnosticError) as caught:
        read_torch(*load_factory("net.py:make", ((1, 4),)))
    assert len(caught.value.diagnostics) == 1
    assert str(caught.value).replace(str(tmp_path), "/home/me") == text_snapshot


def test_factory(tmp_path: Path) -> None:
    """A factory, its own example, and a module that stands in the file."""
    (tmp_path / "sizes.py").write_text("UNITS = 3\n")
    path = tmp_path / "net.py"
    body = "nn.Linear(4, UNITS), torch.zeros(2, 4)\n\n\nmodel = make()[0]\n"
    path.write_text(HEAD + "from sizes import UNITS\n\n" + MAKE + body)
    module, example = load_factory(f"{path}:make")
    assert "nn.dense" in print_module(read_torch(module, example))
    module, example = load_factory(f"{path}:make", ((1, 7, 4),))
    assert "f32[7, 3]" in print_module(read_torch(module, example))
    assert isinstance(load_factory(f"{path}:model")[0], nn.Linear)


def test_missing_factory_file(tmp_path: Path) -> None:
    """A path that leads nowhere."""
    with pytest.raises(DiagnosticError, match="AKC0901"):
        load_factory(f"{tmp_path}/nothing.py:make")


class Constant(nn.Module):
    """A module that ignores its input."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones(1, 3)


class Tokens(nn.Module):
    """A module that reads tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x)


FAULTY: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "no_example": (lambda: nn.Linear(4, 3), ()),
    "single_number": (lambda: nn.Linear(4, 3), torch.tensor(1.0)),
    "integers": (Tokens, torch.zeros(1, 4, dtype=torch.int64)),
    "constant": (Constant, (1, 4)),
    "batch_of_sequences": (lambda: nn.Sequential(nn.LSTM(4, 3)), (7, 5, 4)),
    "no_batch": (lambda: nn.Sequential(nn.LSTM(4, 3)), (7, 4)),
    "no_batch_for_a_map": (lambda: nn.Conv2d(1, 4, 3), (1, 28, 28)),
    "wrong_shape": (lambda: nn.Sequential(nn.Linear(4, 3)), (1, 5)),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_module(name: str, text_snapshot: SnapshotAssertion) -> None:
    """The message says what is wrong with the module or its example."""
    make, example = FAULTY[name]
    with pytest.raises(DiagnosticError) as caught:
        read_torch(make(), example)
    assert str(caught.value) == text_snapshot


def test_module_is_left_as_it_was() -> None:
    """Tracing neither leaves evaluation mode on nor touches the weights."""
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout()).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    read_torch(module, torch.zeros(8, 4))
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
