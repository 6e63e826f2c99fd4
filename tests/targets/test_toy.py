# SPDX-License-Identifier: Apache-2.0
"""A target of another package: found by its entry point, it goes the whole way without a line elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import akc
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.targets import load_target, target_names, target_of
from tests.cli.runner import akc as call
from tests.targets.akida1.chips import network

NETWORK = """akir 1.0

net @small(%x: f32[8, 8, 2]) -> f32[5] {
  %c = nn.conv(%x, weight=#c.weight, bias=#c.bias, pad=[1, 1, 1, 1]) : f32[8, 8, 12]
  %r = nn.relu(%c) : f32[8, 8, 12]
  %f = nn.reshape(%r, shape=[768]) : f32[768]
  %y = nn.dense(%f, weight=#d.weight) : f32[5]
  return %y
}

weights {
  #c.weight : f32[12, 3, 3, 2] = splat "0.125"
  #c.bias : f32[12] = splat "0.5"
  #d.weight : f32[5, 768] = splat "0.25"
}
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip leaves of a package with one entry point."""
    info = tmp_path / "site" / "toy_chip-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-chip\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[akc.targets]\ntoy = tests.targets.toy:TARGET\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(info.parent)])


@pytest.fixture
def module() -> Module:
    rng = np.random.default_rng(3)
    samples = rng.uniform(0, 1, (40, 8, 8, 2)).astype(np.float32)
    return akc.lower(parse(NETWORK), target="toy", calibrate=samples, least=0)


def test_it_is_found() -> None:
    assert "toy" in target_names()
    assert load_target("toy").np_kinds == ("cnp1", "fnp3", "host")


def test_a_network_is_lowered_built_and_run(module: Module) -> None:
    program = akc.build(module, "toy")
    x = np.random.default_rng(4).uniform(0, 1, (20, 8, 8, 2)).astype(np.float32)
    with akc.open_device(target="toy") as device:
        device.program(program)
        np.testing.assert_array_equal(device.predict(x), program.run(x))


def test_a_program_is_read_back(module: Module) -> None:
    target = load_target("toy")
    program = akc.build(module, "toy").bytes
    assert target_of(program) is target
    assert target.disassemble(program).startswith("Toy program, program_info ")
    (again,) = target.assemble(target.recover(program))
    assert again.bytes == program
    with pytest.raises(akc.DiagnosticError, match=r"AKC0611.*for device 01\.02\.03\.04, an AKD1000 is"):
        load_target("akd1000").recover(program)


def test_the_report_shows_its_mesh(module: Module) -> None:
    target = load_target("toy")
    text = target.report(akc.build(module, "toy").module)
    assert " on toy" in text and "of 5 NPs" in text and "row 1  [" in text


def test_what_it_does_not_have_is_refused() -> None:
    target = load_target("toy")
    image = network((8, 8, 1), "u8", ("image", 8, 3), ("dense", 4, "i4"))
    assert [d.code for d in target.check(image)] == ["AKC0530"]
    wide = network((1, 1, 3000), "u4", ("dense", 4, "i4"))
    assert "the number of inputs is 3,000; the chip takes up to 2,048" in target.check(wide)[0].message
    crowded = network((8, 8, 4), "u4", ("convolution", 300, 3, "i4"))
    with pytest.raises(akc.DiagnosticError, match=r"AKC0520.*8 where 5 of 5 are free; the chip takes 5 in a sequence"):
        target.place(crowded)
    with pytest.raises(akc.DiagnosticError, match="AKC0912"):
        target.place(crowded, "vendor-minimal")


def test_the_verbs_know_it(module: Module, tmp_path: Path) -> None:
    (tmp_path / "net.akir").write_text(akc.print_module(module))
    np.save(tmp_path / "x.npy", np.ones((2, 8, 8, 2), np.float32))
    assert call("build", "net.akir", "-t", "toy", "-o", "net.akd", folder=tmp_path).code == 0
    assert call("disasm", "net.akd", folder=tmp_path).stdout.startswith("// sequence @s0\nToy program")
    verified = call("verify", "net.akd", "-i", "x.npy", folder=tmp_path)
    assert (verified.code, verified.stdout) == (0, "@s0: 2 samples, 10 values, all equal on emulator\n")
    assert " on toy" in call("report", "net.akd", folder=tmp_path).stdout
