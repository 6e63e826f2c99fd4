# SPDX-License-Identifier: Apache-2.0
"""The layers of the host against PyTorch's, in the language's own layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from akc.base.diagnostics import DiagnosticError
from akc.ir.functions import FUNCTIONS, REDUCTIONS, Function
from akc.ir.module import Array, Module
from akc.ir.verifier import verify
from akc.sim.run import run
from tests.sim.test_floats import channels_first, channels_last, close, floats, weight
from tests.sim.texts import net

JOINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}


def two(module: Module, x: Array, y: Array, expected: Tensor) -> None:
    """Compare a net of two inputs."""
    assert not verify(module)
    np.testing.assert_allclose(run(module, {"a": x, "b": y})["y"], expected.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", JOINS)
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 5), (5,), (3, 1, 1)])
def test_join(name: str, shape: tuple[int, ...]) -> None:
    """Axes of length 1, and missing first axes, are repeated."""
    x, y = floats(2, 3, 4, 5), floats(2, *shape) + 3
    body = f"  %y = nn.{name}(%a, %b) : f32[3, 4, 5]"
    module = net(f"%a: f32[3, 4, 5], %b: f32{list(shape)}) -> f32[3, 4, 5]", body)
    other = torch.tensor(y.reshape(2, *(1,) * (3 - len(shape)), *shape))
    two(module, x, y, JOINS[name](torch.tensor(x), other))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis: int) -> None:
    shape = [3, 4, 5]
    shape[axis] = 2
    x, y = floats(2, 3, 4, 5), floats(2, *shape)
    shape[axis] += (3, 4, 5)[axis]
    body = f"  %y = nn.concat(%a, %b, axis={axis}) : f32{shape}"
    module = net(f"%a: f32[3, 4, 5], %b: f32{list(y.shape[1:])}) -> f32{shape}", body)
    two(module, x, y, torch.cat([torch.tensor(x), torch.tensor(y)], axis + 1 if axis >= 0 else axis))


def test_matmul() -> None:
    x, y = floats(2, 2, 5, 4), floats(2, 4, 3)
    module = net("%a: f32[2, 5, 4], %b: f32[4, 3]) -> f32[2, 5, 3]", "  %y = nn.matmul(%a, %b) : f32[2, 5, 3]")
    two(module, x, y, torch.tensor(x) @ torch.tensor(y[:, None]))


WITHOUT_AN_OPERATOR: dict[str, Callable[[Tensor], Tensor]] = {
    "at_least": lambda x: torch.clamp(x, min=0.2),
    "at_most": lambda x: torch.clamp(x, max=0.2),
    "power": lambda x: x**0.2,
    "softsign": functional.softsign,
}
"""What no single operator computes in both frameworks."""

POSITIVE = {"log": 0.01, "sqrt": 0.01, "rsqrt": 0.01, "reciprocal": 0.01, "power": 0.01, "log1p": 0.0}
"""Functions of numbers from here on only."""


def by_torch(row: Function, x: Tensor) -> Tensor:
    """The row's aten operator, its parameter 0.2 where that has one."""
    if row.name in WITHOUT_AN_OPERATOR:
        return WITHOUT_AN_OPERATOR[row.name](x)
    operator = getattr(torch.ops.aten, row.aten).default
    given = {a.name: row.aten_fixed[a.name] for a in operator._schema.arguments if a.name in row.aten_fixed}
    if row.alpha is not None and isinstance(row.aten_alpha, str):
        given[row.aten_alpha] = 0.2
    return operator(x, **given)


@pytest.mark.parametrize("row", FUNCTIONS.values(), ids=lambda row: row.name)
def test_function(row: Function) -> None:
    """Every row computes what its operator of PyTorch does."""
    x = np.linspace(-12, 12, 481, dtype=np.float32).reshape(1, 481)
    x = np.abs(x) + np.float32(POSITIVE[row.name]) if row.name in POSITIVE else np.clip(x, -12, 6)
    alpha = row.aten_alpha if isinstance(row.aten_alpha, float) else 0.2
    body = f"  %y = nn.apply(%x, function={row.name}, alpha={alpha}) : f32[481]"
    close(net("%x: f32[481]) -> f32[481]", body), x, by_torch(row, torch.tensor(x)))


REDUCED: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x.sum((1, 3)),
    "max": lambda x: x.amax((1, 3)),
    "min": lambda x: x.amin((1, 3)),
    "product": lambda x: x.prod(1).prod(2),
    "l1": lambda x: x.abs().sum((1, 3)),
    "l2": lambda x: x.square().sum((1, 3)).sqrt(),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name: str) -> None:
    x = floats(2, 3, 4, 5)
    body = f"  %y = nn.reduce(%x, function={name}, axes=[0, 2]) : f32[4]"
    close(net("%x: f32[3, 4, 5]) -> f32[4]", body), x, REDUCED[name](torch.tensor(x)))


def test_stored_value() -> None:
    """The same for each sample."""
    x, value = floats(2, 3), floats(1, 4)
    body = "  %y = nn.constant(%x, value=#v) : f32[1, 4]"
    close(net("%x: f32[3]) -> f32[1, 4]", body, weight("v", value)), x, torch.tensor(np.stack([value, value])))


def test_cells_by_number() -> None:
    x = floats(2, 3, 4)
    module = net("%x: f32[3, 4]) -> f32[3, 3]", "  %y = nn.take(%x, axis=1, index=[3, 0, 3]) : f32[3, 3]")
    close(module, x, torch.tensor(x)[:, :, [3, 0, 3]])


def test_slopes_below_zero() -> None:
    x, slope = floats(2, 3, 4, 5), floats(5)
    body = "  %y = nn.leaky_relu(%x, slope=#s) : f32[3, 4, 5]"
    module = net("%x: f32[3, 4, 5]) -> f32[3, 4, 5]", body, weight("s", slope))
    close(module, x, channels_last(functional.prelu(channels_first(x), torch.tensor(slope))))
    plain = net("%x: f32[3, 4, 5]) -> f32[3, 4, 5]", "  %y = nn.leaky_relu(%x, slope=0.2) : f32[3, 4, 5]")
    close(plain, x, functional.leaky_relu(torch.tensor(x), 0.2))


def test_norms_over_the_last_axes() -> None:
    x, scale, shift = floats(2, 3, 4, 5) + 2, floats(4, 5), floats(4, 5)
    weights = weight("s", scale) + "\n" + weight("t", shift)
    tensors = torch.tensor(x), (4, 5), torch.tensor(scale)
    body = "  %y = nn.layer_norm(%x, scale=#s, shift=#t, epsilon=0.001, axes=2) : f32[3, 4, 5]"
    expected = functional.layer_norm(*tensors, torch.tensor(shift), 1e-3)
    close(net("%x: f32[3, 4, 5]) -> f32[3, 4, 5]", body, weights), x, expected)
    body = "  %y = nn.rms_norm(%x, scale=#s, epsilon=0.001, axes=2) : f32[3, 4, 5]"
    module = net("%x: f32[3, 4, 5]) -> f32[3, 4, 5]", body, weight("s", scale))
    close(module, x, functional.rms_norm(*tensors, 1e-3))


def test_norms_over_channels() -> None:
    x, scale, shift = floats(2, 3, 4, 6) - 1, floats(6), floats(6)
    weights = weight("s", scale) + "\n" + weight("t", shift)
    vectors = torch.tensor(scale), torch.tensor(shift)
    signature = "%x: f32[3, 4, 6]) -> f32[3, 4, 6]"
    module = net(signature, "  %y = nn.group_norm(%x, groups=2, scale=#s, shift=#t) : f32[3, 4, 6]", weights)
    close(module, x, channels_last(functional.group_norm(channels_first(x), 2, *vectors)))
    module = net(signature, "  %y = nn.instance_norm(%x, scale=#s, shift=#t) : f32[3, 4, 6]", weights)
    first = channels_first(x)
    close(module, x, channels_last(functional.instance_norm(first, weight=vectors[0], bias=vectors[1])))


def test_norm_over_neighbouring_channels() -> None:
    x = floats(2, 3, 4, 6)
    body = "  %y = nn.local_response_norm(%x, size=3, alpha=0.3, beta=0.6, bias=1.5) : f32[3, 4, 6]"
    expected = functional.local_response_norm(channels_first(x), 3, 0.3, 0.6, 1.5)
    close(net("%x: f32[3, 4, 6]) -> f32[3, 4, 6]", body), x, channels_last(expected))


@pytest.mark.parametrize(
    ("groups", "stride", "pad", "extra", "dilation"),
    [
        (1, (2, 2), (0, 0), (0, 0), (1, 1)),
        (2, (2, 1), (1, 0), (1, 0), (1, 1)),
        (4, (3, 2), (0, 1), (2, 1), (2, 1)),
    ],
)
def test_transposed_convolution(
    groups: int, stride: tuple[int, int], pad: tuple[int, int], extra: tuple[int, int], dilation: tuple[int, int]
) -> None:  # fmt: skip
    x, w, b = floats(2, 5, 4, 4), floats(4, 8 // groups, 4 if groups == 1 else 3, 3), floats(8)
    y = functional.conv_transpose2d(
        channels_first(x), torch.tensor(w), torch.tensor(b), stride, pad, extra, groups, dilation
    )
    out = (int(y.shape[2]), int(y.shape[3]))
    split = w.reshape(groups, 4 // groups, 8 // groups, *w.shape[2:]).transpose(0, 2, 3, 4, 1)
    own = split.reshape(8, *w.shape[2:], 4 // groups)
    sides = [*pad, *(p - e for p, e in zip(pad, extra))]
    body = (
        f"  %y = nn.conv_transpose(%x, weight=#w, bias=#b, stride={list(stride)}, pad={sides}, "
        f"dilation={list(dilation)}, groups={groups}) : f32[{out[0]}, {out[1]}, 8]"
    )
    module = net(f"%x: f32[5, 4, 4]) -> f32[{out[0]}, {out[1]}, 8]", body, weight("w", own) + "\n" + weight("b", b))
    close(module, x, channels_last(y))


RESIZES: dict[str, tuple[str, Callable[[Tensor, tuple[int, int]], Tensor]]] = {
    "nearest": ("mode=nearest", lambda x, size: functional.interpolate(x, size)),
    "exact": (
        "mode=nearest, places=half_pixel, rounding=round_up",
        lambda x, size: functional.interpolate(x, size, mode="nearest-exact"),
    ),
    "linear": ("mode=linear, places=half_pixel", lambda x, size: functional.interpolate(x, size, mode="bilinear")),
    "corners": (
        "mode=linear, places=align_corners",
        lambda x, size: functional.interpolate(x, size, mode="bilinear", align_corners=True),
    ),
}


@pytest.mark.parametrize("kind", RESIZES)
@pytest.mark.parametrize("size", [(10, 12), (5, 4), (3, 9), (15, 1)])
def test_resize(kind: str, size: tuple[int, int]) -> None:
    """Larger and smaller, whole ratios and others."""
    x = floats(2, 5, 4, 3)
    words, expected = RESIZES[kind]
    body = f"  %y = nn.resize(%x, size={list(size)}, {words}) : f32[{size[0]}, {size[1]}, 3]"
    module = net(f"%x: f32[5, 4, 3]) -> f32[{size[0]}, {size[1]}, 3]", body)
    close(module, x, channels_last(expected(channels_first(x), size)))


def test_slice() -> None:
    x = floats(2, 7, 6, 4)
    body = "  %y = nn.slice(%x, start=[1, 0, 2], stop=[6, 6, 4], step=[2, 1, 1]) : f32[3, 6, 2]"
    close(net("%x: f32[7, 6, 4]) -> f32[3, 6, 2]", body), x, torch.tensor(x)[:, 1:6:2, :, 2:])


FAULTS = {
    "nn.add(%a, %b) : f32[3, 4]": "whose axes do not go together",
    "nn.concat(%a, %b, axis=0) : f32[3, 4]": "only axis 0 may differ",
    "nn.matmul(%a, %b) : f32[3, 4]": "takes [..., n, k] and [..., k, m]",
    "nn.group_norm(%a, groups=3) : f32[3, 4]": "its channels do not make 3 groups",
    "nn.layer_norm(%a, axes=3) : f32[3, 4]": "it does not have 3 axes",
    "nn.layer_norm(%a, scale=#w) : f32[3, 4]": "[4] is needed",
    "nn.leaky_relu(%a, slope=#w) : f32[3, 4]": "a vector of 4 is needed",
    "nn.slice(%a, start=[0, 0], stop=[3, 5]) : f32[3, 4]": "is no part of it",
    "nn.slice(%a, start=[0], stop=[3]) : f32[3, 4]": "need 2 numbers each",
    "nn.resize(%a, size=[6, 6]) : f32[6, 6]": "takes a value of rank 3",
}


@pytest.mark.parametrize("body", FAULTS)
def test_types_that_do_not_fit(body: str) -> None:
    with pytest.raises(DiagnosticError) as fault:
        net("%a: f32[3, 4], %b: f32[5, 2]) -> f32[3, 4]", f"  %y = {body}", weight("w", floats(3)))
    assert FAULTS[body] in " ".join(d.message for d in fault.value.diagnostics)


def test_a_function_that_is_none() -> None:
    with pytest.raises(DiagnosticError, match="AKC0107"):
        net("%x: f32[3]) -> f32[3]", "  %y = nn.apply(%x, function=arcsine) : f32[3]")
