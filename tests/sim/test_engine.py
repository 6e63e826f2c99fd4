# SPDX-License-Identifier: Apache-2.0
"""The ONNX form of a network: the simulator's integers in ONNX Runtime and in onnx's own evaluator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Array, Module
from akc.ir.parser import parse
from akc.sim.engine import runtime
from akc.sim.engine.levels import reciprocals
from akc.sim.engine.model import EMITTERS, fragment, to_onnx
from akc.sim.integer import LayerNumbers
from akc.sim.run import Runner, run
from akc.sim.statements import Fused
from tests.cli.runner import akc as command
from tests.conformance import random_networks, software_networks
from tests.conformance.random_networks import samples
from tests.frontends.zoo import NETWORKS, randomised
from tests.sim.texts import net


def in_runtime(module: Module, x: Array, bytes_are_fast: bool = False) -> Array:
    (entry,), ops = module.net.inputs, tuple(module.net.ops)
    data = fragment(module, ops, [entry.name], module.net.outputs, bytes_are_fast)
    found: Array = runtime.session(data).run(None, {entry.name: x})[0]
    return found


def runnable(kind: str, seed: int, count: int) -> list[tuple[Module, Array, Array]]:
    source = (
        software_networks.networks(seed, count) if kind == "software" else random_networks.networks(kind, seed, count)
    )
    found = []
    for number, module in source:
        x = samples(module, number)
        try:
            found.append((module, x, run(module, x, backend="numpy")[module.net.outputs[0]]))
        except DiagnosticError:
            continue
    return found


@pytest.mark.parametrize("kind", [*random_networks.CLASSES, "software"])
def test_integers_of_the_numpy_simulator(kind: str) -> None:
    for module, x, wanted in runnable(kind, 31, 6):
        for bytes_are_fast in (False, True):
            found = in_runtime(module, x, bytes_are_fast)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["dense", "conv", "separable", "software"])
def test_a_second_witness(kind: str) -> None:
    """onnx's own evaluator, in Python, gives the same integers; and the file is valid ONNX."""
    for module, x, wanted in runnable(kind, 32, 2):
        if module.net.inputs[0].type.size * len(tuple(module.net.ops)) > 3000:
            continue
        model = onnx.load_from_string(to_onnx(module))
        onnx.checker.check_model(model, full_check=True)
        found = ReferenceEvaluator(model).run(None, {module.net.inputs[0].name: x})[0]
        np.testing.assert_array_equal(found, wanted)


def test_every_factor_gives_the_level_of_the_division() -> None:
    rng = np.random.default_rng(0)
    for bits in (1, 2, 4):
        steps = np.unique(np.concatenate([rng.integers(1, 2**20, 300), np.arange(1, 200)]))
        numbers = LayerNumbers(threshold=np.zeros_like(steps), steps=steps, bound=2**19, levels=2**bits)
        factors = reciprocals(numbers)
        if factors is None:
            continue
        difference = rng.integers(0, 2**19, 20000)[:, None]
        wanted = np.minimum(-(-difference * 2**bits // steps), 2**bits - 1)
        product = np.ceil(difference.astype(np.float32) * factors)
        np.testing.assert_array_equal(np.minimum(product, 2**bits - 1), wanted)


def test_factors_are_found_for_nearly_every_step() -> None:
    def numbers(step: int) -> LayerNumbers:
        return LayerNumbers(threshold=np.zeros(1, int), steps=np.array([step]), bound=2**19, levels=16)

    found = [reciprocals(numbers(step)) is not None for step in range(1, 3000)]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_float_networks_to_rounding(name: str) -> None:
    import torch

    from akc.frontends.torch.export import read_torch

    make, shape = NETWORKS[name]
    model = randomised(make())
    module = read_torch(model, torch.rand(*shape))
    missing = {op.mnemonic for op in module.net.ops if type(op) not in EMITTERS}
    x = np.random.default_rng(0).random((3, *module.net.inputs[0].type.full_shape)).astype(np.float32)
    if missing:
        with pytest.raises(DiagnosticError, match="AKC0641"):
            to_onnx(module)
        return
    wanted = run(module, x, backend="numpy")[module.net.outputs[0]]
    np.testing.assert_allclose(in_runtime(module, x), wanted, rtol=1e-4, atol=1e-4 * max(1e-3, np.abs(wanted).max()))


TIMED = """akir 1.0

net @timed(%x: f32[T=6, 4]) -> f32[3] {
  %w = host.window(%x, count=2) : f32[T=2, 4]
  %q = host.quantize(%w, scale=0.25, bits=4) : u4[T=2, 1, 1, 4]
  sequence @s0 {
    %p = akida.fully_connected(%q, weights=#w, activation=false) : i32[T=2, 1, 1, 3]
  }
  %d = host.decode(%p) : f32[T=2, 3]
  %y = host.sum(%d) : f32[3]
  return %y
}

weights {
  #w : i4[3, 4] = dec "1 -2 3 4 5 -6 7 0 1 1 -1 2"
}
"""


def test_time_is_an_axis_of_the_model() -> None:
    module = parse(TIMED)
    x = np.random.default_rng(0).integers(0, 4, (5, 6, 4)).astype(np.float32) / 4
    np.testing.assert_array_equal(in_runtime(module, x), run(module, x, backend="numpy")["y"])


def test_neurons_have_no_form() -> None:
    module = net("%x: f32[T=3, 4]) -> f32[T=3, 4]", "  %y = snn.leaky(%x, beta=0.5) : f32[T=3, 4]", "")
    with pytest.raises(DiagnosticError, match=r"AKC0641.*snn.leaky"):
        to_onnx(module)


# -- the runner ------------------------------------------------------------------------------------


def small() -> tuple[Module, Array]:
    ((module, x, _), *_) = runnable("mixed", 33, 3)
    return module, x


def test_auto_takes_the_engine_when_the_work_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = small()
    runner = Runner(module, "auto")
    wanted = runner.run(x)
    assert not any(isinstance(s, Fused) for plan in runner.plans.values() for s, _ in plan)
    monkeypatch.setattr("akc.sim.run.WORTH_A_SESSION", 1)
    found = runner.run(x)
    assert any(isinstance(s, Fused) for plan in runner.plans.values() for s, _ in plan)
    np.testing.assert_array_equal(next(iter(found.values())), next(iter(wanted.values())))


def test_every_value_can_be_kept() -> None:
    module, x = small()
    found = [Runner(module, backend).run(x, keep=True) for backend in ("numpy", "onnxruntime")]
    assert found[0].keys() == found[1].keys()
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_without_the_packages_numpy_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = small()
    monkeypatch.setattr(runtime, "is_installed", lambda: False)
    monkeypatch.setattr("akc.sim.run.WORTH_A_SESSION", 1)
    assert Runner(module, "auto").run(x).keys() == {module.net.outputs[0]}
    with pytest.raises(DiagnosticError, match=r"AKC0740(.|\n)*akc\[fast\]"):
        Runner(module, "onnxruntime")


@pytest.mark.parametrize("before", [None, "no json", '["a list"]'])
def test_the_choice_of_products_is_measured_once(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "akc" / "engine.json"
    if before is not None:
        file.parent.mkdir()
        file.write_text(before)
    seconds = {"MatMulInteger": 2.0, "MatMul": 1.0}
    monkeypatch.setattr(runtime, "_measured", lambda kind: seconds[kind])
    runtime.bytes_are_fast.cache_clear()
    assert runtime.bytes_are_fast() is False
    seconds["MatMul"] = 3.0
    runtime.bytes_are_fast.cache_clear()
    assert runtime.bytes_are_fast() is False, "the answer on disk counts"
    assert list(json.loads(file.read_text()).values()) == [False]
    file.unlink()
    runtime.bytes_are_fast.cache_clear()
    assert runtime.bytes_are_fast() is True
    runtime.bytes_are_fast.cache_clear()


# -- the command line --------------------------------------------------------------------------------


def test_export(tmp_path: Path) -> None:
    (tmp_path / "net.akir").write_text(TIMED)
    assert command("export", "net.akir", "--onnx", "net.int.onnx", folder=tmp_path).code == 0
    x = np.ones((2, 6, 4), np.float32)
    found: Any = runtime.session((tmp_path / "net.int.onnx").read_bytes()).run(None, {"x": x})[0]
    np.testing.assert_array_equal(found, akc.sim.run.run(parse(TIMED), x)["y"])  # type: ignore[attr-defined]
