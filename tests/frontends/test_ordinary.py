# SPDX-License-Identifier: Apache-2.0
"""What ordinary networks do with shapes, parts and stored values: PyTorch's numbers by each of the three ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import akc
from akc.frontends.onnx.importer import read_onnx
from akc.frontends.torch.export import read_torch
from akc.ir.module import Module
from akc.ir.ops import nn as ops
from akc.sim.run import run
from tests.frontends.ways import exported


class Of(nn.Module):
    """A forward method as a function of the module and its input, with parts by name."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **parts: Any) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Recurrent(nn.Module):
    """A recurrent layer whose states or last states are read."""

    def __init__(self, layer: nn.Module, read: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.layer, self.read = layer, read

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.layer(x))


def timm_attention(m: Any, x: Tensor) -> Tensor:
    b, n, d = x.shape
    q, k, v = m.qkv(x).reshape(b, n, 3, 2, d // 2).permute(2, 0, 3, 1, 4).unbind(0)
    return m.out(((q * 0.5) @ k.transpose(-2, -1)).softmax(-1).matmul(v).transpose(1, 2).reshape(b, n, d))


def causal(m: Any, x: Tensor) -> Tensor:
    q, k, v = m.qkv(x).chunk(3, -1)
    return m.out(F.scaled_dot_product_attention(q, k, v, is_causal=True))


def hidden_keys(m: Any, x: Tensor) -> Tensor:
    q, k, v = m.qkv(x).chunk(3, -1)
    scores = (q @ k.transpose(-1, -2)) / 8**0.5
    later = torch.triu(torch.ones(6, 6, dtype=torch.bool), 1)
    return m.out(scores.masked_fill(later, float("-inf")).softmax(-1) @ v)


def middle_assigned(m: Any, x: Tensor) -> Tensor:
    y = torch.zeros(x.shape[0], 8, 12, 12)
    y[:, :, 1:-1, 1:-1] = m.conv(x).relu()
    return y


def written_over(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x).relu()
    z = y.clone()
    z[:, :2].copy_(y[:, 2:4])
    z[:, 0] *= 0.5
    z[:, 1] += 1
    return z + y


def added_in_place(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    z = y.view(1, 8, -1)
    z += 1
    return y * 2


def convolved(forward: Callable[[Any, Tensor], Any], channels: int = 8) -> nn.Module:
    return Of(forward, conv=nn.Conv2d(1, channels, 3))


def convolved_rows(forward: Callable[[Any, Tensor], Any]) -> nn.Module:
    return Of(forward, conv=nn.Conv1d(3, 8, 3))


def dense(forward: Callable[[Any, Tensor], Any]) -> nn.Module:
    return Of(forward, fc=nn.Linear(8, 8))


ROW, ROWS, PICTURE = (1, 8), (1, 6, 8), (1, 1, 12, 12)

CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "unbind": (lambda: dense(lambda m, x: sum(m.fc(x).unbind(1))), ROWS),
    "chunk": (lambda: dense(lambda m, x: torch.cat(m.fc(x).chunk(3, -1)[::-1], -1)), ROW),
    "split": (lambda: dense(lambda m, x: torch.cat(m.fc(x).split([2, 5, 1], -1)[::-1], -1)), ROW),
    "split_in_one": (lambda: dense(lambda m, x: torch.cat(m.fc(x).split(8, -1), -1)), ROW),
    "class_token": (
        lambda: Of(
            lambda m, x: m.fc(torch.cat([m.token.expand(x.shape[0], -1, -1), x], 1)),
            fc=nn.Linear(8, 8),
            token=nn.Parameter(torch.randn(1, 1, 8)),
        ),
        ROWS,
    ),
    "stored_behind": (
        lambda: Of(
            lambda m, x: torch.cat([m.fc(x), m.p.expand(x.shape[0], -1)], 1),
            fc=nn.Linear(8, 8),
            p=nn.Parameter(torch.randn(1, 3)),
        ),
        ROW,
    ),
    "stored_spreads": (
        lambda: Of(lambda m, x: m.fc(x) * m.p, fc=nn.Linear(8, 8), p=nn.Parameter(torch.randn(1, 5, 1))),
        (1, 1, 8),
    ),
    "timm_attention": (lambda: Of(timm_attention, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)), ROWS),
    "attention_with_shares": (
        lambda: Of(lambda m, x: m.mha(x, x, x)[0], mha=nn.MultiheadAttention(8, 2, batch_first=True)),
        ROWS,
    ),
    "repeat": (lambda: dense(lambda m, x: m.fc(x).repeat(1, 3)), ROW),
    "flip": (lambda: dense(lambda m, x: m.fc(x).flip(1)), ROWS),
    "roll": (lambda: dense(lambda m, x: m.fc(x).roll(2, 1)), ROWS),
    "stored_index": (lambda: dense(lambda m, x: m.fc(x)[:, [5, 0, 2]]), ROW),
    "reflect": (lambda: nn.Sequential(nn.ReflectionPad2d((1, 2, 3, 0)), nn.Conv2d(1, 4, 3)), PICTURE),
    "replicate": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode="replicate")), PICTURE),
    "circular": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")), PICTURE),
    "pixel_shuffle": (lambda: convolved(lambda m, x: F.pixel_shuffle(m.conv(x), 2)), PICTURE),
    "pixel_unshuffle": (lambda: convolved(lambda m, x: F.pixel_unshuffle(m.conv(x), 2)), PICTURE),
    "shuffled_groups": (
        lambda: convolved(lambda m, x: m.conv(x).view(1, 2, 4, 10, 10).transpose(1, 2).reshape(1, 8, 10, 10)),
        PICTURE,
    ),
    "largest_of_a_map": (lambda: convolved(lambda m, x: m.conv(x).amax((2, 3))), PICTURE),
    "sum_of_a_map": (lambda: convolved(lambda m, x: m.conv(x).sum((2, 3))), PICTURE),
    "largest_of_an_axis": (lambda: dense(lambda m, x: m.fc(x).max(1)[0]), ROWS),
    "normalised": (lambda: dense(lambda m, x: F.normalize(m.fc(x), dim=-1)), ROW),
    "deviation": (lambda: dense(lambda m, x: m.fc(x).std(1)), ROWS),
    "square": (lambda: dense(lambda m, x: m.fc(x) ** 2), ROW),
    "sine": (lambda: dense(lambda m, x: torch.sin(m.fc(x))), ROW),
    "one_end": (lambda: dense(lambda m, x: m.fc(x).clamp(min=0.1)), ROW),
    "einsum": (lambda: dense(lambda m, x: torch.einsum("bnd,bmd->bnm", m.fc(x), x)), ROWS),
    "causal": (lambda: Of(causal, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)), ROWS),
    "hidden_keys": (lambda: Of(hidden_keys, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)), ROWS),
    "middle_assigned": (lambda: convolved(middle_assigned), PICTURE),
    "written_over": (lambda: convolved(written_over), PICTURE),
    "added_in_place": (lambda: convolved(added_in_place), PICTURE),
    "picked_pairs": (lambda: dense(lambda m, x: m.fc(x)[:, [0, 2, 5], [1, 1, 7]]), ROWS),
    "picked_tables": (lambda: dense(lambda m, x: m.fc(x)[:, torch.tensor([[0, 2], [5, 1]])]), ROWS),
    "gathered": (lambda: dense(lambda m, x: m.fc(x).gather(1, torch.tensor([[[0, 3], [5, 1]]]))), ROWS),
    "patches": (lambda: convolved(lambda m, x: F.unfold(m.conv(x), 3, padding=1, stride=2)), PICTURE),
    "chosen_by_a_table": (
        lambda: dense(lambda m, x: torch.where(torch.arange(8) % 3 == 0, m.fc(x), x - torch.arange(6.0)[:, None])),
        ROWS,
    ),
    "cubic": (lambda: convolved(lambda m, x: F.interpolate(m.conv(x), size=(17, 23), mode="bicubic")), PICTURE),
    "adaptive_mean": (lambda: convolved(lambda m, x: F.adaptive_avg_pool2d(m.conv(x), (3, 7))), PICTURE),
    "adaptive_larger": (lambda: convolved(lambda m, x: F.adaptive_avg_pool2d(m.conv(x), (12, 10))), PICTURE),
    "adaptive_row": (lambda: convolved_rows(lambda m, x: F.adaptive_avg_pool1d(m.conv(x), 7)), (1, 3, 40)),
    "adaptive_largest": (lambda: convolved(lambda m, x: F.adaptive_max_pool2d(m.conv(x), (3, 4))), PICTURE),
    "adaptive_max": (lambda: convolved(lambda m, x: F.adaptive_max_pool2d(m.conv(x), 1).flatten(1)), PICTURE),
    "both_directions": (
        lambda: Recurrent(nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True), lambda r: r[0][:, -1]),
        ROWS,
    ),
    "last_states": (lambda: Recurrent(nn.GRU(8, 6, 2, batch_first=True), lambda r: r[1][-1]), ROWS),
    "rnn": (lambda: Recurrent(nn.RNN(8, 6, batch_first=True), lambda r: r[0].mean(1)), ROWS),
}


def cell_steps(m: Any, x: Tensor) -> Tensor:
    h, c = torch.zeros(x.shape[0], 5), torch.zeros(x.shape[0], 5)
    for t in range(x.shape[1]):
        h, c = m.cell(x[:, t], (h, c))
    return m.fc(h)


def cells_in_turn(m: Any, x: Tensor) -> Tensor:
    h = m.start.expand(x.shape[0], -1)
    return m.tanh(m.relu(m.gru(x[:, 1], m.gru(x[:, 0], h)), h))


LIVE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lstm_cell": (lambda: Of(cell_steps, cell=nn.LSTMCell(8, 5), fc=nn.Linear(5, 4)), ROWS),
    "lstm_cell_without_bias": (lambda: Of(cell_steps, cell=nn.LSTMCell(8, 5, bias=False), fc=nn.Linear(5, 4)), ROWS),
    "cells_in_turn": (
        lambda: Of(
            cells_in_turn,
            gru=nn.GRUCell(8, 5),
            relu=nn.RNNCell(5, 5, nonlinearity="relu"),
            tanh=nn.RNNCell(5, 5),
            start=nn.Parameter(torch.rand(1, 5)),
        ),
        ROWS,
    ),
    "decoder": (
        lambda: Of(lambda m, x: m.d(x, x[:, :3]), d=nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)),
        ROWS,
    ),
    "transformer": (lambda: Of(lambda m, x: m.t(x, x), t=nn.Transformer(8, 2, 1, 1, 16, batch_first=True)), ROWS),
    "split_weight": (
        lambda: Of(
            lambda m, x: F.linear(x, m.w.split(3)[1]) + F.linear(x, m.w.chunk(2)[0]), w=nn.Parameter(torch.rand(6, 8))
        ),
        ROW,
    ),
}


@pytest.mark.parametrize("name", LIVE)
def test_numbers_of_live_modules(name: str) -> None:
    """Cells of recurrent layers, and stored values that the module takes apart."""
    torch.manual_seed(0)
    make, shape = LIVE[name]
    module = make().eval()
    agrees(module, read_torch(module, shape), torch.rand(5, *shape[1:]))


def test_a_result_that_is_no_tensor() -> None:
    """A number among the results is told as what does not depend on the input."""
    with pytest.raises(akc.DiagnosticError, match=r"AKC0314.*result 3 does not depend"):
        read_torch(Of(lambda m, x: (m.fc(x), 3), fc=nn.Linear(8, 4)), ROW)


def agrees(module: nn.Module, imported: Module, x: Tensor) -> None:
    """Assert that an imported network gives the module's numbers."""
    assert not any(isinstance(op, ops.Opaque) for op in imported.net.ops)
    with torch.no_grad():
        wanted = torch.cat([module(x[i : i + 1]) for i in range(len(x))]).numpy()
    (got,) = run(imported, x.numpy()).values()
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_numbers(name: str) -> None:
    """Read directly and from both exporters' files."""
    torch.manual_seed(0)
    make, shape = CASES[name]
    module, x = make().eval(), torch.rand(5, *shape[1:])
    agrees(module, read_torch(module, shape), x)
    for dynamo in (True, False):
        if (name, dynamo) not in NOT_EXPORTED:
            agrees(module, read_onnx(exported(module, x[:1], dynamo)), x)


NOT_EXPORTED = {
    ("causal", True),
    ("adaptive_largest", True),
    *((name, False) for name in ("adaptive_mean", "adaptive_larger", "adaptive_row", "adaptive_largest")),
    ("added_in_place", False),
}
"""What torch.onnx.export of PyTorch 2.13 cannot write, or writes without the change in place; True: dynamo."""


@pytest.mark.parametrize("name", ["encoder", "channel_shuffle"])
def test_numbers_without_the_older_exporter(name: str) -> None:
    """What torch.onnx.export(dynamo=False) cannot write."""
    torch.manual_seed(0)
    makes: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
        "encoder": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ROWS),
        "channel_shuffle": (convolved(lambda m, x: F.channel_shuffle(m.conv(x), 2)), PICTURE),
    }
    module, shape = makes[name]
    x = torch.rand(5, *shape[1:])
    agrees(module.eval(), read_torch(module, shape), x)
    agrees(module, read_onnx(exported(module, x[:1], True)), x)


@pytest.mark.parametrize("how", ["trace", "script"])
def test_modules_that_torch_jit_made(how: str) -> None:
    """They are converted back."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(800, 4)).eval()
    x = torch.rand(5, *PICTURE[1:])
    made = torch.jit.trace(module, x[:1]) if how == "trace" else torch.jit.script(module)
    agrees(module, akc.lower(made, pipeline="", example=PICTURE), x)


def test_a_scripted_module_that_cannot_be_read() -> None:
    """The advice is the module from before."""

    class Counting(nn.Module):
        def forward(self, x: Tensor, n: list[str]) -> Tensor:
            return x * len(n)

    with pytest.raises(akc.DiagnosticError, match=r"AKC0346(.|\n)*torch\.jit\.script"):
        akc.lower(torch.jit.script(Counting()), pipeline="", example=ROW)


class Bytes(nn.Module):
    """Pictures of bytes, scaled inside."""

    def __init__(self, scale: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.scale = scale
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(576, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.scale(x))


SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    "divided": lambda x: x / 255,
    "centred": lambda x: (x.float() - 127.5) * 0.01,
    "converted": lambda x: x.to(torch.float32).mul(1 / 128) - 1,
}


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_bytes(name: str, kind: type) -> None:
    """They come in as bytes, and go into the image layer as they are."""
    torch.manual_seed(0)
    module, limits = Bytes(SCALES[name]).eval(), np.iinfo(kind)
    x = torch.from_numpy(np.random.default_rng(0).integers(limits.min, limits.max + 1, (20, 1, 12, 12)).astype(kind))
    sources = {"torch": (module, x[:1]), "onnx": (exported_model(module, x[:1]), None)}
    for source, example in sources.values():
        imported = akc.lower(source, pipeline="", example=example)
        assert imported.net.inputs[0].type.dtype == ("u8" if kind is np.uint8 else "i8")
        agrees(module, imported, x)
        for samples in (None, x.numpy()):
            lowered = akc.lower(source, example=example, calibrate=samples, least=0.0)
            program = akc.build(lowered)
            assert program.run(x.numpy()) is not None
            text = akc.print_module(lowered)
            assert "akida.input_convolutional" in text
            assert ("host.quantize" in text) == (kind is np.int8)


def exported_model(module: nn.Module, x: Tensor) -> Any:
    """The newer exporter's ONNX model."""
    import onnx

    return onnx.load_from_string(exported(module, x, True))


class TwoInputs(nn.Module):
    """Each input has a branch of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.last = nn.Linear(16, 3)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.last(torch.cat([self.a(first), self.b(second)], 1))


def test_several_inputs() -> None:
    """Branches run on the chip, and the host joins them."""
    torch.manual_seed(0)
    module = TwoInputs().eval()
    x = {"first": torch.rand(40, 8), "second": torch.rand(40, 4)}
    samples = {name: tensor.numpy() for name, tensor in x.items()}
    with torch.no_grad():
        wanted = module(*x.values()).numpy()
    shapes = ((1, 8), (1, 4))
    (got,) = run(akc.lower(module, pipeline="", example=shapes), samples).values()
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    lowered = akc.lower(module, example=shapes, calibrate=samples, host="allow")
    assert len(lowered.net.sequences) == 3
    program = akc.build(lowered, host="allow")
    assert np.corrcoef(np.ravel(program.run(samples)), wanted.ravel())[0, 1] > 0.9
    with pytest.raises(akc.DiagnosticError, match="AKC0306"):
        akc.lower(module, pipeline="", example=((1, 8), (2, 4)))
