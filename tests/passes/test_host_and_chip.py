# SPDX-License-Identifier: Apache-2.0
"""Networks with branches from three sources: imported, rewritten, quantised, built, run on host and chip together."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, parse_pipeline, run_pipeline
from akc.compiler.program import from_bytes
from akc.devices.opening import open_device
from akc.frontends.onnx.importer import read_onnx
from akc.ir.module import Module
from akc.ir.ops.akida import Layer
from akc.ir.ops.nn_host import HostLayer
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.passes import LEGALISE, LOWER
from akc.sim.run import run
from akc.targets.akd1000 import TARGET
from tests.cli.runner import akc as command
from tests.frontends.ways import all_ways, exported, same_network
from tests.passes.branched import NETWORKS, SHAPE, TRAINED_ON, digits, trained

Array = np.ndarray

APART = ("merge-branches", "merge-branches{to=host}")
"""Branches are left to the host here, where they could be on the chip (tests/passes/test_merge_branches.py)."""


def answers(module: Module, x: Array) -> Array:
    """The one result."""
    (result,) = run(module, x).values()
    return result


@cache
def imported(name: str) -> Module:
    """A network from the file of the newer exporter."""
    return read_onnx(exported(trained(name), torch.zeros(SHAPE), True))


@cache
def lowered(name: str) -> Module:
    """A network quantised with the digits that it was trained on."""
    module = imported(name)
    samples = {module.net.inputs[0].name: digits()[0][:TRAINED_ON]}
    return run_pipeline(module, LOWER.replace(*APART), Context(samples=samples, host="allow"))


@cache
def built(name: str) -> akc.Program:
    """The programs of a network."""
    return akc.build(lowered(name), host="allow")


@pytest.mark.parametrize("name", NETWORKS)
def test_three_ways_in(name: str) -> None:
    """torch.export and both exporters give the same network, which computes what PyTorch and onnxruntime compute."""
    x = digits()[0][:6]
    expected = trained(name)(torch.tensor(x)).detach().numpy()
    file = exported(trained(name), torch.zeros(SHAPE), False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    runtime = np.concatenate([session.run(None, {session.get_inputs()[0].name: one[None]})[0] for one in x])
    ways = all_ways(trained(name), SHAPE)
    for module in ways.values():
        same_network(ways["torch"], module)
        np.testing.assert_allclose(answers(module, x), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(answers(module, x), runtime, rtol=1e-4, atol=1e-4)


WITHOUT_HOST = ("resnet", "squeezenet")
"""Networks of which merge-branches leaves nothing to the host."""


@pytest.mark.parametrize("name", NETWORKS)
def test_every_pass_keeps_the_numbers(name: str) -> None:
    """Up to mappable, each pass is exact; layouts meet, so that nothing but the picture is turned in front."""
    module, x = imported(name), digits()[0][:6]
    expected, context = answers(module, x), Context(host="allow")
    for one in parse_pipeline(LEGALISE):
        module = run_pipeline(module, [one], context)
        np.testing.assert_allclose(answers(module, x), expected, rtol=1e-4, atol=1e-4, err_msg=one.name)
    turned = [op for op in module.net.ops if op.mnemonic == "nn.permute"]
    assert len(turned) <= 2
    assert any(isinstance(op, HostLayer) for op in module.net.ops) == (name not in WITHOUT_HOST)


CLOSE = {"resnet": 0.97, "squeezenet": 0.92, "unet": 0.985, "unet_enlarging": 0.985, "mobilenet": 0.88}
"""Least correlation of quantised and float results on digits that were in no training; 0.989, 0.954, 0.996, 0.997 and
0.935 were measured."""


@pytest.mark.parametrize("name", NETWORKS)
def test_quantised_answers(name: str) -> None:
    x = digits()[0][TRAINED_ON:]
    wanted, got = answers(imported(name), x), answers(lowered(name), x)
    assert np.corrcoef(wanted.ravel(), got.ravel())[0, 1] > CLOSE[name]


ON_HOST = {
    "resnet": {"add", "relu"},
    "squeezenet": {"concat", "max_pool"},
    "unet": {"concat", "max_pool", "conv_transpose"},
    "unet_enlarging": {"concat", "max_pool", "resize"},
    "mobilenet": {"add", "apply", "conv", "mean", "mul"},
}
"""What stays on the host, layout and the signs of values aside."""
ASIDE = {"permute", "reshape", "relu", "affine", "concat", "slice"}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_between_joins_are_on_the_chip(name: str) -> None:
    """Every convolution but a depthwise one of stride 2 is a chip layer."""
    ops = list(lowered(name).net.ops)
    host = {op.mnemonic.removeprefix("nn.") for op in ops if op.mnemonic.startswith("nn.")}
    assert host - ASIDE == ON_HOST[name] - ASIDE
    assert sum(isinstance(op, Layer) for op in ops) >= 6


@pytest.mark.parametrize("name", NETWORKS)
def test_simulator_and_emulator_agree(name: str) -> None:
    """The program, out of its file, gives the same numbers on both; its text is read back as it is."""
    program = from_bytes(built(name).to_bytes())
    assert program.to_bytes() == built(name).to_bytes()
    assert parse(print_module(program.module), "printed") == program.module
    x = digits()[0][-2:]
    device = open_device("emulator")
    device.program(program)
    np.testing.assert_array_equal(np.asarray(device.predict(x)), np.asarray(program.run(x)))
    np.testing.assert_array_equal(np.asarray(program.run(x)), answers(lowered(name), x))


def test_a_residual_leaves_the_chip_once() -> None:
    """The levels that the stem gives go to the first block as they are, and to the host for the sum."""
    ops = list(built("resnet").module.net.ops)
    stem = next(op for op in ops if isinstance(op, Layer))
    readers = [op for op in ops if stem.name in op.operands]
    assert sorted(op.mnemonic for op in readers) == ["akida.convolutional", "host.dequantize"]


def test_report_names_every_border() -> None:
    """Each sequence has a value that comes and one that goes, with its bytes."""
    program = built("resnet")
    facts = TARGET.report_facts(program.module, program.sequences)
    assert len(facts["borders"]) == 2 * len(program.sequences)
    assert all(border["bytes"] > 0 for border in facts["borders"])
    text = TARGET.report(program.module, program.sequences)
    assert "Between host and chip" in text
    assert "nn.add" in text


NAMES = {
    "resnet": {"residual add"},
    "squeezenet": {"concat"},
    "unet": {"concat", "transposed convolution"},
    "unet_enlarging": {"concat", "upsampling"},
    "mobilenet": {"residual add", "squeeze-excite", "HardSwish"},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_refused_by_name_without_the_host(name: str) -> None:
    """All at once, under the names that users know."""
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(imported(name), LEGALISE.replace(*APART), Context())
    found = [d for d in fault.value.diagnostics if d.code == "AKC0420"]
    assert {d.message.split(" (%")[0] for d in found} == NAMES[name]
    assert all(d.origin for d in found)


def test_a_program_with_host_layers_is_built_only_where_they_are_allowed() -> None:
    with pytest.raises(DiagnosticError, match="AKC0529"):
        akc.build(lowered("resnet"))


def test_no_operation_is_refused_with_the_host_as_well() -> None:
    """What akc has no operation for."""
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.LocalResponseNorm(3), torch.nn.Conv2d(8, 8, 3))
    with pytest.raises(DiagnosticError, match="local response normalization"):
        akc.lower(network, example=SHAPE, host="allow")


def test_from_the_command_line(tmp_path: Path) -> None:
    """lower, build, report and run; the emulator answers as the simulator."""
    (tmp_path / "net.onnx").write_bytes(exported(trained("resnet"), torch.zeros(SHAPE), True))
    np.save(tmp_path / "x.npy", digits()[0][:20])
    options = ("--calibrate", "x.npy", "--host=allow", "-O", APART[1])
    lower = command("lower", "net.onnx", *options, "-o", "net.akir", folder=tmp_path)
    assert lower.code == 0, lower.stderr
    build = command("build", "net.akir", "--host=allow", "-o", "net.akd", folder=tmp_path)
    assert build.code == 0, build.stderr
    text = command("report", "net.akd", folder=tmp_path)
    assert "to the chip" in text.stdout
    np.save(tmp_path / "few.npy", digits()[0][:2])
    for where in ("simulator", "emulator"):
        outcome = command("run", "net.akd", "-i", "few.npy", "--on", where, "-o", f"{where}.npz", folder=tmp_path)
        assert outcome.code == 0, outcome.stderr
    first, second = (np.load(tmp_path / f"{where}.npz") for where in ("simulator", "emulator"))
    for key in first.files:
        np.testing.assert_array_equal(first[key], second[key])
