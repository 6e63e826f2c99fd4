# SPDX-License-Identifier: Apache-2.0
"""Ways out that refusals and warnings name, followed: what a user reads, does, and where it arrives.

A row: the code; what provokes it; words of the help that say what to do; and the same call with that done.
`WITHOUT` are codes of networks and calls that no row follows, with the reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from attrs import frozen
from torch import nn

import akc
from akc.base.codes import CODES
from akc.base.diagnostics import Diagnostic, DiagnosticError

Shape = tuple[int, ...]
RANGE = (0.0, 1.0)


@frozen
class Way:
    """code: of the fault or warning; words: in its help; wrong, right: the call before and after."""

    code: str
    words: str
    wrong: Callable[[], Any]
    right: Callable[[], Any]


def conv(inputs: int, filters: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, filters, kernel, stride, kernel // 2), nn.ReLU()]


def net(*layers: nn.Module, shape: Shape = (4, 12, 12), **options: Any) -> Callable[[], Any]:
    """Lower and build a network on inputs of this shape without batch axis."""
    build = {"host": options["host"]} if "host" in options else {}

    def go() -> Any:
        torch.manual_seed(0)
        module = nn.Sequential(*layers).eval()
        return akc.build(akc.lower(module, **{"example": (1, *shape), "input_range": RANGE, **options}), **build)

    return go


def lower(module: nn.Module, **options: Any) -> Callable[[], Any]:
    return lambda: akc.lower(module, **{"input_range": RANGE, **options})


class Last(nn.Module):
    """The last state of a recurrent layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0][:, -1]


class Two(nn.Module):
    """Two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.a(x) + self.b(y)


MLP = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
FEW = np.random.default_rng(0).random((20, 8)).astype(np.float32)
LSTM = (nn.Linear(8, 8), nn.ReLU(), Last(nn.LSTM(8, 8, batch_first=True)), nn.Linear(8, 3))
ROWS = (5, 8)
EXAMPLE: Shape = (1, 8)


def mlp(**options: Any) -> Callable[[], Any]:
    return lower(MLP, **{"example": EXAMPLE, **options})


def piped(text: str) -> Callable[[], Any]:
    return mlp(pipeline=text)


WAYS = {
    "no such pass": Way("AKC0402", "did you mean fold-layout?", piped("fold-layuot"), piped("fold-layout")),
    "no such option": Way(
        "AKC0403",
        "did you mean weights?",
        mlp(options={"lower-int4": {"weihgts": 4}}),
        mlp(options={"lower-int4": {"weights": 4}}),
    ),
    "samples of another shape": Way(
        "AKC0703", "the first axis is the batch", mlp(calibrate=FEW[:, :5]), mlp(calibrate=FEW)
    ),
    "no samples": Way("AKC0411", "--calibrate samples.npz measures them", mlp(), mlp(calibrate=FEW)),
    "rounding by samples": Way(
        "AKC0412",
        "--calibrate samples.npz",
        mlp(options={"lower-int4": {"rounding": "error-feedback"}}),
        mlp(options={"lower-int4": {"rounding": "error-feedback"}}, calibrate=FEW),
    ),
    "a norm": Way(
        "AKC0420",
        "or --host=allow",
        net(*conv(4, 8), nn.GroupNorm(2, 8), nn.ReLU(), *conv(8, 4)),
        net(*conv(4, 8), nn.GroupNorm(2, 8), nn.ReLU(), *conv(8, 4), host="allow"),
    ),
    "an activation": Way(
        "AKC0420",
        "replace it with nn.ReLU or nn.ReLU6",
        net(*conv(4, 8), nn.Conv2d(8, 8, 3, padding=1), nn.GELU(), *conv(8, 4)),
        net(*conv(4, 8), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU6(), *conv(8, 4)),
    ),
    "a recurrent layer, on the host": Way(
        "AKC0421", "--host=allow", net(*LSTM, shape=ROWS), net(*LSTM, shape=ROWS, host="allow")
    ),
    "a recurrent layer, left out": Way(
        "AKC0421",
        "-O 'drop-lstm{by=mean}'",
        net(*LSTM, shape=ROWS),
        net(*LSTM, shape=ROWS, options={"drop-lstm": {"by": "mean"}}),
    ),
    "a large kernel": Way(
        "AKC0422",
        "two layers of 7x7, one behind the other",
        net(*conv(4, 8), *conv(8, 4, 13)),
        net(*conv(4, 8), *conv(8, 8, 7), *conv(8, 4, 7)),
    ),
    "an odd stride": Way(
        "AKC0422",
        "1, or 2 with a kernel of at most 3",
        net(*conv(4, 8), *conv(8, 4, 3, 3)),
        net(*conv(4, 8), *conv(8, 4, 3, 2)),
    ),
    "a pool of three": Way(
        "AKC0423",
        "use 2x2 max pools on even sizes",
        net(*conv(4, 8), nn.MaxPool2d(3), *conv(8, 4)),
        net(*conv(4, 8), nn.MaxPool2d(2), *conv(8, 4)),
    ),
    "no activation": Way(
        "AKC0424",
        "put a ReLU there",
        net(*conv(4, 8), nn.Conv2d(8, 8, 3, padding=1), *conv(8, 4)),
        net(*conv(4, 8), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), *conv(8, 4)),
    ),
    "a norm behind an activation": Way(
        "AKC0426",
        "put it in front of the activation",
        net(*conv(4, 8), nn.BatchNorm2d(8), nn.ReLU(), *conv(8, 4)),
        net(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), *conv(8, 4)),
    ),
    "a layer for the host": Way(
        "AKC0529",
        "build with --host=allow",
        lambda: akc.build(akc.lower(nn.Sequential(*LSTM), example=(1, *ROWS), input_range=RANGE, host="allow")),
        net(*LSTM, shape=ROWS, host="allow"),
    ),
    "a filter that is too large": Way(
        "AKC0506",
        "-O 'lower-int4{two_bits=NAME}'",
        net(*conv(4, 512, 1), *conv(512, 8), *conv(8, 4)),
        net(*conv(4, 512, 1), *conv(512, 8), *conv(8, 4), options={"lower-int4": {"two_bits": "_3"}}),
    ),
    "batches that differ": Way(
        "AKC0306",
        "put the batch first in each of them",
        lower(Two(), example=((1, 8), (2, 4)), host="allow"),
        lower(Two(), example=((1, 8), (1, 4)), host="allow"),
    ),
    "whole numbers": Way(
        "AKC0307",
        "give an example of float32",
        mlp(example=torch.zeros(1, 8, dtype=torch.int64)),
        mlp(example=torch.zeros(1, 8)),
    ),
    "an example of another shape": Way(
        "AKC0310", "does the example have the shape that forward takes", mlp(example=(1, 5)), mlp(example=(1, 8))
    ),
    "no example": Way("AKC0312", "example=(1, 1, 28, 28) in Python", lower(MLP), mlp()),
    "a range that is none": Way(
        "AKC0905", "the smaller first", mlp(input_range=(1.0, 0.0)), mlp(input_range=(0.0, 1.0))
    ),
    "spikes of a network without": Way("AKC0911", "leave it out", mlp(spikes="rate"), mlp()),
    "a chip that is none": Way("AKC0912", "akd1000", mlp(target="akd100"), mlp(target="akd1000")),
}

WITHOUT = {
    "AKC0401": "the place in the pipeline says it",
    "AKC0404": "the message lists the values",
    "AKC0410": "the shapes of samples are checked before, AKC0703",
    "AKC0413": "the text is written by hand; tests/passes/test_messages.py",
    "AKC0415": "no way from a user's own call",
    "AKC0416": "tests/passes/test_insert_image_layer.py",
    "AKC0425": "to compile branches by themselves is another network",
    "AKC0427": "to keep an order of axes is another network",
    "AKC0430": "a warning that training answers",
    "AKC0431": "tests/passes/test_other_passes.py",
    "AKC0432": "tests/passes/test_spiking.py",
    "AKC0433": "tests/passes/test_own_pass.py",
    "AKC0450": "tests/passes/test_merge_branches.py",
    "AKC0451": "tests/passes/test_lower_int4.py",
    "AKC0452": "of networks quantised elsewhere, which are trained anew or read as they are",
    "AKC0453": "of networks quantised elsewhere, which are trained anew or read as they are",
    "AKC0454": "of networks quantised elsewhere, which are trained anew or read as they are",
}


def told(call: Callable[[], Any]) -> list[Diagnostic]:
    """The faults of a call, or its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except DiagnosticError as refused:
            return list(refused.diagnostics)
    return [w.message.diagnostic for w in caught if isinstance(w.message, akc.DiagnosticWarning)]


@pytest.mark.parametrize("name", WAYS)
def test_the_way_out_arrives(name: str) -> None:
    way = WAYS[name]
    found = told(way.wrong)
    said = [d for d in found if d.code == way.code]
    assert said and {d.code for d in found if d.severity == "error"} <= {way.code}
    assert any(way.words in line for d in said for line in d.help)
    assert not [d for d in told(way.right) if d.code == way.code or d.severity == "error"]


def test_codes_without_are_codes_that_no_row_follows() -> None:
    assert not WITHOUT.keys() & {way.code for way in WAYS.values()}
    assert WITHOUT.keys() <= CODES.keys()
