# SPDX-License-Identifier: Apache-2.0
"""Calibrating networks that do not spike: the report, the recipe that is kept, the refusal, the progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context
from akc.compiler.recipes import ASKED, RECIPES, Report
from akc.ir.module import Module
from akc.ir.ops import nn
from akc.ir.weights import Weight
from akc.sim.run import run
from tests.cli import runner
from tests.passes.building import Building, images
from tests.passes.test_spiking import RECURRENT, filled, spikes


def network() -> Module:
    """Two convolutions and two dense layers; no class is the answer to most inputs."""
    net = Building(8, 8, 1).conv(8, 3, pad=(1, 1, 1, 1)).relu().max_pool().conv(6, 3, pad=(1, 1, 1, 1)).relu()
    module = net.flatten().dense(20).relu().dense(4).module()
    outputs = next(iter(run(module, images(module, 500, seed=9)).values()))
    last = module.net.producer(module.net.outputs[0])
    assert isinstance(last, nn.Dense)
    assert last.bias is not None
    even = Weight.of(module.array(last.bias) - outputs.mean(axis=0), "f32")
    return evolve(module, weights={**module.weights, last.bias: even})


def report_of(module: Module, x: np.ndarray, **options: Any) -> Report:
    """The report of a lowering."""
    context = Context()
    akc.lower(module, calibrate=x, context=context, **options)
    found: Report = context.reports["calibration"]
    return found


def test_the_report_is_of_samples_that_nothing_saw() -> None:
    """Same answers, levels off and the share at the top, measured on the last quarter."""
    module, x = network(), images(network(), 200)
    report = report_of(module, x)
    assert report.held_out == 50
    seen = akc.lower(module, calibrate=x[:-50], least=0)
    wanted, found = (next(iter(run(m, x[-50:]).values())).argmax(1) for m in (module, seen))
    assert report.same[ASKED] == (wanted == found).mean()
    assert len(report.layers) == 3
    assert all("levels off" in line and "at the top" in line for line in report.layers)
    assert f"same answers on 50 samples: as asked {report.same[ASKED]:.1%}" in str(report)


def test_the_best_recipe_is_kept() -> None:
    """Others are tried where the one asked for is not good, and never in place of an option that was given."""
    module, x = network(), images(network(), 400)
    given: dict[str, Any] = {"calibrate": {"method": "max"}, "lower-int4": {"rounding": "nearest", "activations": 2}}
    assert list(report_of(module, x, options=given, least=0).same) == [ASKED]
    report = report_of(module, x, options={"lower-int4": {"activations": 2, "weights": 2}}, least=0)
    assert set(report.same) == {ASKED, *RECIPES}
    assert report.same[report.kept] >= report.same[ASKED]
    assert f"kept: {report.kept}" in str(report)


def test_another_recipe_is_really_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is what comes out, made from all samples."""
    import akc.compiler.recipes as calibration

    module, x = network(), images(network(), 200)
    recipe = {"four bits": {"lower-int4": {"weights": 4}}}
    monkeypatch.setattr(calibration, "RECIPES", recipe)
    monkeypatch.setattr(
        calibration, "_changed", lambda passes, changes: [evolve(p, **changes.get(p.name, {})) for p in passes]
    )
    context = Context()
    found = akc.lower(module, calibrate=x, options={"lower-int4": {"weights": 1}}, context=context)
    assert context.reports["calibration"].kept == "four bits"
    assert akc.print_module(found) == akc.print_module(akc.lower(module, calibrate=x))


def test_a_bad_network_is_refused() -> None:
    """Weights of one bit answer something else; the layers are told, and the ways out."""
    module, x = network(), images(network(), 200)
    with pytest.raises(DiagnosticError) as caught:
        akc.lower(module, calibrate=x, options={"lower-int4": {"weights": 1}})
    fault = caught.value.diagnostics[0]
    assert fault.code == "AKC0391"
    assert "of 50 samples" in fault.message
    assert fault.label.count("levels off") == 3
    akc.lower(module, calibrate=x, options={"lower-int4": {"weights": 1}}, least=0)


def test_too_few_samples_say_nothing() -> None:
    context = Context()
    akc.lower(network(), calibrate=images(network(), 10), context=context)
    assert "calibration" not in context.reports


def test_networks_with_neurons_on_the_host_are_judged_too() -> None:
    x = spikes(60, 9, 12)
    report = report_of(filled(RECURRENT, whole=True), x, host="allow")
    assert report.same[ASKED] == 1


def test_by_the_command_line_from_onnx(tmp_path: Path) -> None:
    """As a user does it: an ONNX file, samples, a report on stderr; a bad network makes no file."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 4),
    )
    pictures = np.random.default_rng(0).random((400, 1, 8, 8), np.float32)
    with torch.no_grad():
        layers[-1].bias -= layers(torch.from_numpy(pictures)).mean(0)
    model, samples, product = (str(tmp_path / name) for name in ("net.onnx", "x.npz", "net.akir"))
    torch.onnx.export(layers, (torch.zeros(1, 1, 8, 8),), model, dynamo=False, input_names=["image"])
    np.savez(samples, image=pictures)
    words = ("lower", model, "--calibrate", samples, "-o", product)
    result = runner.akc(*words)
    assert result.code == 0, result.stderr
    assert "calibration: same answers on 100 samples: as asked" in result.stderr
    Path(product).unlink()
    bad = (*words, "-O", "lower-int4{weights=1 activations=1}")
    result = runner.akc(*bad)
    assert result.code == 1
    assert "AKC0391" in result.stderr
    assert not Path(product).exists()
    assert runner.akc(*bad, "--least", "0").code == 0


@pytest.mark.parametrize(
    ("option", "code"),
    [("nothing{by=mean}", "AKC0402"), ("drop-lstm{how=mean}", "AKC0403"), ("drop-lstm{by=all}", "AKC0404"),
     ("rate{window=3}", "AKC0402")],
)  # fmt: skip
def test_options_of_passes_on_the_command_line(option: str, code: str, tmp_path: Path) -> None:
    """A pass that there is not, an option, a value; a pass that this network's pipeline does not have."""
    text = tmp_path / "net.akir"
    text.write_text(akc.print_module(network()))
    result = runner.akc("lower", str(text), "-O", option)
    assert result.code == 1
    assert code in result.stderr
    assert runner.akc("lower", str(text), "-O", "lower-int4{weights=2}").code == 0


def test_progress_is_told() -> None:
    told: list[str] = []
    context = Context(progress=lambda done, total, what: told.append(f"{what} {done}/{total}"))
    akc.lower(network(), calibrate=images(network(), 100), context=context)
    assert any(line.startswith("calibrate") for line in told)
    assert any(line.startswith("lower-int4") for line in told)
    assert any(line.startswith("trying as asked") for line in told)
