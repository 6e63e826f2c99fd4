# SPDX-License-Identifier: Apache-2.0
"""Networks that train in the chip's integers: the forward is the simulator's, and training helps or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context
from akc.compiler.samples import SampleSet
from akc.compiler.tune import by_teacher
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.sim.run import Runner
from akc.tuning.training import Recipe
from tests.cli.runner import akc as command

QUIET = Recipe(epochs=2)


def _conv(*layers: Any) -> Any:
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), *layers)


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 6)), (36,)),
    "conv, max pool": (
        lambda: _conv(nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(432, 6)),
        (1, 12, 12),
    ),
    "stride 2": (
        lambda: _conv(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(392, 6)),
        (1, 13, 13),
    ),
    "separable, global average": (
        lambda: _conv(
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 12, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(12, 6),
        ),
        (1, 12, 12),
    ),
}  # fmt: skip


def _even(model: Any, x: Any) -> Any:
    """The model, its results centred and spread, so that every class is answered."""
    with torch.no_grad():
        last = model[-1]
        last.bias -= model(torch.from_numpy(x)).mean(dim=0)
        spread = model(torch.from_numpy(x)).std(dim=0)
        last.weight /= spread[:, None]
        last.bias /= spread
    return model


def _lowered(name: str, bits: int, **options: Any) -> tuple[Module, Any, Any]:
    torch.manual_seed(1)
    make, shape = MODELS[name]
    x = np.random.default_rng(1).random((300 if len(shape) == 1 else 120, *shape), np.float32)
    model = _even(make().eval(), x)
    widths = {"lower-int4": {"weights": bits, "activations": bits}}
    module = akc.lower(model, example=(1, *shape), calibrate=x[:100], least=0, options=widths, check="off", **options)
    return module, model, x


WAYS = [(name, bits) for name in MODELS for bits in (4, 2, 1) if "separable" not in name or bits > 1]
"""Separable layers have weights of 2 or 4 bits."""


@pytest.mark.parametrize(("name", "bits"), WAYS)
def test_the_forward_is_the_simulator_s_integer_for_integer(name: str, bits: int) -> None:
    module, _, x = _lowered(name, bits)
    net = akc.trainable(module)
    found = net.levels(torch.from_numpy(x))
    for key, wanted in Runner(module).run({module.net.inputs[0].name: x}, keep=True).items():
        np.testing.assert_array_equal(found[key].detach().numpy().astype(np.float64), wanted.astype(np.float64), key)
    assert print_module(akc.trained(net)) == print_module(module)


def test_all_parameters_learn_and_the_trained_text_is_what_the_forward_says() -> None:
    module, _, x = _lowered("separable, global average", 2)
    net = akc.trainable(module)
    optimizer = torch.optim.Adam(net.groups(5e-3))
    for _ in range(5):
        optimizer.zero_grad()
        net(torch.from_numpy(x)).square().mean().backward()
        optimizer.step()
        net.project()
    assert all(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in net.parameters())
    after = parse(print_module(akc.trained(net)))
    wanted = Runner(after).run({after.net.inputs[0].name: x})[after.net.outputs[0]]
    np.testing.assert_array_equal(net(torch.from_numpy(x)).detach().numpy(), wanted)
    assert [op.origin for op in after.net.ops] == [op.origin for op in module.net.ops]
    akc.build(after)


def _teach(module: Module, x: Any, teacher: Any, recipe: Recipe = QUIET, labels: Any = None) -> Any:
    samples = SampleSet({module.net.inputs[0].name: x}, labels)
    return by_teacher(module, samples, teacher, None, recipe, Context())


def test_distilling_brings_answers_back_and_a_seed_repeats_it() -> None:
    module, model, _ = _lowered("dense", 1)
    x = np.random.default_rng(2).random((1500, 36), np.float32)
    with torch.no_grad():
        teacher = model(torch.from_numpy(x)).numpy()
    first, second = (_teach(module, x, teacher, Recipe(epochs=8)) for _ in range(2))
    assert first.kept and max(first.epochs) > first.before.same + 0.05
    assert print_module(first.module) == print_module(second.module)


def test_labels_teach_as_well_and_what_does_not_help_is_not_kept() -> None:
    module, model, x = _lowered("dense", 4)
    noise = np.random.default_rng(3).integers(0, 6, len(x))
    found = _teach(module, x, None, QUIET, noise)
    assert found.words == "right answers"
    assert found.kept or found.module is module
    with torch.no_grad():
        same = _teach(module, x, model(torch.from_numpy(x)).numpy(), Recipe(epochs=1, rate=10.0))
    assert same.kept == 0 and same.module is module


def test_the_command_line(tmp_path: Path) -> None:
    module, model, x = _lowered("dense", 2)
    (tmp_path / "net.akir").write_text(print_module(module))
    torch.onnx.export(model, (torch.from_numpy(x[:1]),), str(tmp_path / "m.onnx"), dynamo=False, input_names=["x"])
    np.savez(tmp_path / "train.npz", **{module.net.inputs[0].name: x})
    outcome = command("tune", "net.akir", "-i", "train.npz", folder=tmp_path)
    assert outcome.code == 1 and "AKC0457" in outcome.stderr and "--distill" in outcome.stderr
    options = ("-i", "train.npz", "--distill", "m.onnx", "--epochs", "2", "-o", "tuned.akir")
    outcome = command("tune", "net.akir", *options, folder=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "epoch 2/2: loss" in outcome.stderr and "kept:" in outcome.stderr
    assert command("check", "tuned.akir", folder=tmp_path).code == 0


def test_lowering_and_tuning_in_one_go() -> None:
    torch.manual_seed(1)
    x = np.random.default_rng(1).random((600, 36), np.float32)
    model = _even(MODELS["dense"][0]().eval(), x)
    context = Context()
    widths = {"lower-int4": {"weights": 1, "activations": 1}}
    akc.lower(model, example=(1, 36), calibrate=x[:100], tune=x, options=widths, context=context)
    assert context.reports["tuning"].kept and "calibration" not in context.reports


def test_floats_cannot_train() -> None:
    from akc.frontends.torch.export import read_torch

    with pytest.raises(DiagnosticError, match="AKC0456"):
        akc.trainable(read_torch(MODELS["dense"][0](), (1, 36)))


def test_without_torch_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module, *_ = _lowered("dense", 4)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(DiagnosticError, match="AKC0455"):
        akc.trainable(module)
