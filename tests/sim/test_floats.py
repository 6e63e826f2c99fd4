# SPDX-License-Identifier: Apache-2.0
"""Float layers against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from akc.ir.module import Array, Module
from akc.sim.run import run
from tests.sim.texts import net, numbers

RNG = np.random.default_rng(3)


def floats(*shape: int) -> Array:
    return RNG.normal(0, 1, shape).astype(np.float32)


def close(module: Module, x: Array, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(run(module, x)["y"], expected.numpy(), rtol=2e-5, atol=2e-5)


def channels_first(x: Array) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def channels_last(y: torch.Tensor) -> torch.Tensor:
    return y.permute(0, 2, 3, 1)


def weight(name: str, array: Array) -> str:
    return f'#{name} : f32{list(array.shape)} = dec "{numbers(array)}"'


def test_dense_over_the_last_axis() -> None:
    w, b, x = floats(4, 3), floats(4), floats(2, 5, 3)
    body = "  %y = nn.dense(%x, weight=#w, bias=#b) : f32[5, 4]"
    module = net("%x: f32[5, 3]) -> f32[5, 4]", body, weight("w", w) + "\n" + weight("b", b))
    close(module, x, functional.linear(torch.tensor(x), torch.tensor(w), torch.tensor(b)))


@pytest.mark.parametrize(
    ("groups", "stride", "pad", "dilation", "out"),
    [(1, (1, 1), (1, 1), (1, 1), (7, 6)), (2, (2, 1), (0, 1), (1, 1), (3, 6)), (4, (1, 2), (2, 0), (2, 1), (7, 2))],
)
def test_convolution(
    groups: int, stride: tuple[int, int], pad: tuple[int, int], dilation: tuple[int, int], out: tuple[int, int]
) -> None:
    w, b, x = floats(8, 3, 3, 4 // groups), floats(8), floats(2, 7, 6, 4)
    body = (
        f"  %y = nn.conv(%x, weight=#w, bias=#b, stride={list(stride)}, pad={[*pad, *pad]}, "
        f"dilation={list(dilation)}, groups={groups}) : f32[{out[0]}, {out[1]}, 8]"
    )
    module = net(f"%x: f32[7, 6, 4]) -> f32[{out[0]}, {out[1]}, 8]", body, weight("w", w) + "\n" + weight("b", b))
    kernel = torch.tensor(w).permute(0, 3, 1, 2)
    y = functional.conv2d(channels_first(x), kernel, torch.tensor(b), stride, pad, dilation, groups)
    close(module, x, channels_last(y))


def test_max_pool_with_ceil_mode() -> None:
    x = floats(2, 6, 7, 3) - 3
    body = "  %y = nn.max_pool(%x, size=[3, 2], stride=[2, 2], pad=[1, 0, 1, 0], ceil_mode=true) : f32[4, 4, 3]"
    y = functional.max_pool2d(channels_first(x), (3, 2), (2, 2), (1, 0), ceil_mode=True)
    close(net("%x: f32[6, 7, 3]) -> f32[4, 4, 3]", body), x, channels_last(y))


@pytest.mark.parametrize("count", ["true", "false"])
@pytest.mark.parametrize("ceil", ["true", "false"])
def test_average_pool_counts_as_pytorch_does(count: str, ceil: str) -> None:
    x = floats(2, 6, 6, 3)
    out = 4 if ceil == "true" else 3
    body = (
        f"  %y = nn.average_pool(%x, size=[3, 3], stride=[2, 2], pad=[1, 1, 1, 1], ceil_mode={ceil}, "
        f"count_include_pad={count}) : f32[{out}, {out}, 3]"
    )
    y = functional.avg_pool2d(channels_first(x), 3, 2, 1, ceil == "true", count == "true")
    close(net(f"%x: f32[6, 6, 3]) -> f32[{out}, {out}, 3]", body), x, channels_last(y))


def test_batch_norm() -> None:
    x, vectors = floats(2, 4, 3), {name: np.abs(floats(3)) + 0.1 for name in ("scale", "shift", "mean", "variance")}
    body = "  %y = nn.batch_norm(%x, scale=#scale, shift=#shift, mean=#mean, variance=#variance) : f32[4, 3]"
    module = net("%x: f32[4, 3]) -> f32[4, 3]", body, "\n".join(weight(*item) for item in vectors.items()))
    given = {name: torch.tensor(v) for name, v in vectors.items()}
    y = functional.batch_norm(
        torch.tensor(x).reshape(8, 3), given["mean"], given["variance"], given["scale"], given["shift"]
    )
    close(module, x, y.reshape(2, 4, 3))


ELEMENTWISE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "nn.relu(%x) : f32[3, 4]": torch.relu,
    "nn.clip(%x, low=-0.5, high=0.7) : f32[3, 4]": lambda x: x.clamp(-0.5, 0.7),
    "nn.sigmoid(%x) : f32[3, 4]": torch.sigmoid,
    "nn.softmax(%x, axis=0) : f32[3, 4]": lambda x: x.softmax(1),
    "nn.log_softmax(%x) : f32[3, 4]": lambda x: x.log_softmax(-1),
    "nn.affine(%x, scale=2.0, shift=-1.0) : f32[3, 4]": lambda x: 2 * x - 1,
    "nn.argmax(%x) : i64[3]": lambda x: x.argmax(-1),
    "nn.argmax(%x, axis=0, keep_axis=true) : i64[1, 4]": lambda x: x.argmax(1, keepdim=True),
    "nn.mean(%x, axes=[0]) : f32[4]": lambda x: x.mean(1),
    "nn.reshape(%x, shape=[2, 6]) : f32[2, 6]": lambda x: x.reshape(-1, 2, 6),
    "nn.permute(%x, order=[1, 0]) : f32[4, 3]": lambda x: x.permute(0, 2, 1),
}


@pytest.mark.parametrize("statement", ELEMENTWISE)
def test_operations_without_weights(statement: str) -> None:
    x = floats(5, 3, 4)
    module = net(f"%x: f32[3, 4]) -> {statement.rpartition(' : ')[2]}", f"  %y = {statement}")
    close(module, x, ELEMENTWISE[statement](torch.tensor(x)))


def test_pad() -> None:
    x = floats(2, 3, 4, 1)
    module = net("%x: f32[3, 4, 1]) -> f32[5, 7, 1]", "  %y = nn.pad(%x, pad=[2, 1, 0, 2], value=0.5) : f32[5, 7, 1]")
    close(module, x, functional.pad(torch.tensor(x), (0, 0, 1, 2, 2, 0), value=0.5))


@pytest.mark.parametrize(("name", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("output", ["all", "last"])
def test_recurrent_layers(name: str, gates: int, output: str) -> None:
    layer = getattr(torch.nn, name)(3, 5, batch_first=True)
    given = [p.detach().numpy() for p in layer.parameters()]
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    result = "f32[7, 5]" if output == "all" else "f32[5]"
    fields = ", ".join(f"{n}=#{n}" for n in names)
    body = f"  %y = nn.{name.lower()}(%x, {fields}, output={output}) : {result}"
    module = net(f"%x: f32[7, 3]) -> {result}", body, "\n".join(weight(n, p) for n, p in zip(names, given)))
    assert len(given[0]) == 5 * gates
    x = floats(2, 7, 3)
    with torch.no_grad():
        y = layer(torch.tensor(x))[0]
    close(module, x, y if output == "all" else y[:, -1])
