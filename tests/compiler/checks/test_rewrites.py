# SPDX-License-Identifier: Apache-2.0
"""Checks 2 and 3 in a normal compile: bugs planted in passes and in the assembler are caught."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from click.testing import CliRunner

import akc
from akc.cli.main import cli
from akc.cli.session import BUG, guarded
from akc.compiler.checks import programs
from akc.compiler.checks.disproved import Disproved
from akc.compiler.pipeline import Context
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.weights import Weight
from akc.passes import PASSES
from akc.targets import load_target
from tests.passes.building import Building
from tests.passes.networks import CONFIGURED, PROMISED, REWRITES, UNCHANGED

FIRST = {
    name: next(case for case in cases if (name, case) not in UNCHANGED)
    for name, cases in REWRITES.items()
    if PASSES[name].preserves == "values"
}
"""A network that each rewriting pass that promises every value changes."""

RANGE = (0.0, 1.0)


def moved(module: Module) -> Module:
    """The module with its last matrix, or its last float weights, a thousandth larger."""
    names = [n for op in module.net.ops for n in op.weights_used if module.weights[n].type.dtype == "f32"]
    name = sorted(names, key=lambda n: len(module.weights[n].type.shape) > 1)[-1]
    weight = Weight.of(module.array(name) * np.float32(1.001), "f32")
    return evolve(module, weights={**module.weights, name: weight})


def plant(monkeypatch: pytest.MonkeyPatch, name: str, bug: Any) -> None:
    run = PASSES[name].run

    def faulty(self: Any, module: Module, context: Any) -> Module:
        result: Module = run(self, module, context)
        return result if result is module else bug(result)

    monkeypatch.setattr(PASSES[name], "run", faulty)


def lower(name: str, module: Module, **options: Any) -> Module:
    return akc.lower(
        module,
        pipeline=name,
        options={name: CONFIGURED.get(name, {})},
        input_range=PROMISED.get(name, RANGE),
        **options,
    )


@pytest.mark.parametrize("name", FIRST)
def test_a_bug_in_a_pass_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = REWRITES[name][FIRST[name]]()
    context = Context()
    lower(name, module, context=context)
    assert context.checks.line().startswith("checked: 1 rewrite keeps every value")
    plant(monkeypatch, name, moved)
    with pytest.raises(Disproved, match=f"pass {name} says that it keeps every value, and does not: %"):
        lower(name, module)
    assert lower(name, module, check="off") is not module


def chain() -> Module:
    net = Building(8, 8, 2).conv(8, 3).batch_norm().relu().conv(16, 3).batch_norm().relu().flatten()
    return net.dense(32).relu().dense(10).module()


def test_the_crash_file_holds_a_small_network_the_pass_and_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "fold-batchnorm", moved)
    with pytest.raises(Disproved) as found:
        akc.lower(chain(), input_range=RANGE)
    text = found.value.reproducer
    small = parse(text)
    assert text.startswith("// akc opt crash.akir --check=full -p fold-batchnorm\n// probe %")
    assert len(list(small.net.ops)) <= 3 and small.net.types[small.net.outputs[0]].shape[-1] == 1
    with pytest.raises(Disproved):
        akc.lower(small, pipeline="fold-batchnorm", check="full")


def test_the_pass_is_named_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "fold-batchnorm", moved)
    with pytest.raises(Disproved, match="pass fold-batchnorm says"):
        akc.lower(chain(), pipeline="fold-layout,fold-batchnorm,insert-image-layer,pad-input", input_range=RANGE)


def other_weight(module: Module) -> Module:
    name = next(n for op in module.net.ops for n in op.weights_used if module.weights[n].type.dtype == "i4")
    array = module.array(name).copy()
    array.flat[: max(1, array.size // 2)] = 7
    return evolve(module, weights={**module.weights, name: Weight.of(array, "i4")})


def test_a_bug_in_placing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = akc.lower(chain(), input_range=RANGE)
    plant(monkeypatch, "place", other_weight)
    with pytest.raises(Disproved, match="pass place says that it keeps every level"):
        akc.build(lowered)


def test_wrong_bytes_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = akc.lower(chain(), input_range=RANGE)
    chip = load_target("akd1000")
    assemble = type(chip).assemble

    def faulty(self: Any, *arguments: Any) -> Any:
        return tuple(evolve(s, data=flipped(s)) for s in assemble(self, *arguments))

    def flipped(sequence: Any) -> bytes:
        data = bytearray(sequence.data)
        for held in [r for r in sequence.map if r.what == "weights" and r.part == "data"]:
            for span in held.spans:
                data[span.start : span.stop] = bytes(b ^ 0x11 for b in data[span.start : span.stop])
        return bytes(data)

    monkeypatch.setattr(type(chip), "assemble", faulty)
    with pytest.raises(Disproved, match=r"program of @\w+"):
        akc.build(lowered)
    assert akc.build(lowered, check="off").sequences


def test_the_akd_file_says_what_was_proved(tmp_path: Path) -> None:
    program = akc.build(akc.lower(chain(), input_range=RANGE))
    assert "rewrite keeps every level; program = text on 8 inputs, 80 integers" in program.checked
    program.save(tmp_path / "net.akd")
    with zipfile.ZipFile(tmp_path / "net.akd") as archive:
        assert json.loads(archive.read("meta.json"))["checked"] == program.checked
    assert akc.load(tmp_path / "net.akd").checked == program.checked
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "net.akd")])
    assert program.checked in result.output


def test_a_broken_promise_is_a_bug_of_akc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plant(monkeypatch, "fold-batchnorm", moved)
    assert guarded(lambda: akc.lower(chain(), input_range=RANGE)) == BUG
    assert "this is a bug of akc, not of your input" in capsys.readouterr().err
    (crash,) = tmp_path.glob("akc-crash-*.akir")
    assert parse(crash.read_text()).net.ops


def test_levels_of_an_input_are_all_tried() -> None:
    lowered = akc.lower(chain(), input_range=(-1.0, 1.0))
    limits = programs.quantised_range(lowered)
    assert limits is not None and limits[0] < limits[1]
