# SPDX-License-Identifier: Apache-2.0
"""A wrong word or value in any call of the public functions is a DiagnosticError with a way out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import akc

X = np.random.default_rng(0).uniform(0, 1, (9, 20)).astype(np.float32)
W = [np.eye(6, 20, dtype=np.float32), np.eye(3, 6, dtype=np.float32)]
B = [np.zeros(6, np.float32), np.zeros(3, np.float32)]


def _network() -> akc.Module:
    return akc.dense_network(W, B, (20,), input_range=(0.0, 1.0), context=akc.Context())


MODULE = _network()
SMALL = nn.Sequential(nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 3))


def _lower(**words: Any) -> Any:
    return akc.lower(SMALL, **{"example": (1, 20), "input_range": (0.0, 1.0), **words})


CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "target of lower": (lambda: _lower(target="akd100"), "AKC0912 target akd1000"),
    "target of build": (lambda: akc.build(MODULE, target="nochip"), "AKC0912 nochip akd1000"),
    "target that is no word": (lambda: akc.build(MODULE, target=["akd1000"]), "AKC0912 akd1000"),  # type: ignore[arg-type]
    "place": (lambda: akc.build(MODULE, place="compacted"), "AKC0912 compacted compact"),
    "cut": (lambda: akc.build(MODULE, cut="crossing"), "AKC0912 crossing vendor"),
    "host of lower": (lambda: _lower(host="yes"), "AKC0912 yes refuse allow"),
    "host of build": (lambda: akc.build(MODULE, host="alow"), "AKC0912 did mean allow"),
    "host that is a truth": (lambda: _lower(host=True), "AKC0912 True refuse"),
    "spikes": (lambda: _lower(spikes="rates"), "AKC0912 did mean rate"),
    "an option of a pass": (lambda: _lower(options={"lower-int4": {"weihgts": 4}}), "AKC0403 did mean weights"),
    "a pass that is not run": (lambda: _lower(options={"lower-int": {}}), "AKC0402 did mean lower-int4"),
    "a value of an option": (lambda: _lower(options={"lower-int4": {"weights": 3}}), "AKC0404 1, 2 4"),
    "a word for a number": (lambda: _lower(options={"lower-int4": {"weights": "4"}}), "AKC0404 whole number"),
    "a truth for a number": (lambda: _lower(options={"lower-int4": {"weights": True}}), "AKC0404 whole number"),
    "options that are no dict": (lambda: _lower(options="lower-int4{weights=4}"), "AKC0914 options"),
    "options of a pass that are none": (lambda: _lower(options={"lower-int4": 4}), "AKC0914 options"),
    "an engine of no layout": (lambda: akc.build(MODULE, engine_version="1.2.3"), "AKC0605 1.2.3 2.19.3"),
    "an engine that is no word": (lambda: akc.build(MODULE, engine_version=2.19), "AKC0914 engine_version 2.19.3"),  # type: ignore[arg-type]
    "coding": (lambda: _lower(coding="spike"), "AKC0912 did mean spikes"),
    "readout": (lambda: _lower(readout="counts"), "AKC0912 did mean count"),
    "reset": (lambda: _lower(reset="sub"), "AKC0912 subtract zero"),
    "producer": (lambda: _lower(producer="snntroch"), "AKC0912 did mean snntorch"),
    "accept that is one word": (lambda: _lower(accept="lateral"), "AKC0914 accept list"),
    "accept of a word that no refusal names": (lambda: _lower(accept=["latral"]), "AKC0912 latral did mean lateral"),
    "accept of what cannot be": (lambda: _lower(accept=["lateral", "lstm"]), "AKC0912 lstm one-spike rate-pooling"),
    "steps": (lambda: _lower(steps=0), "AKC0914 steps 1"),
    "steps that are a word": (lambda: _lower(steps="15"), "AKC0914 steps whole"),
    "dt": (lambda: _lower(dt=-1), "AKC0914 dt seconds"),
    "topology": (lambda: _lower(topology=(784, 10)), "AKC0914 topology 784-256-10"),
    "example that is a word": (lambda: _lower(example="1,20"), "AKC0914 example (1, 1, 28, 28)"),
    "example with an axis of none": (lambda: _lower(example=(1, -20)), "AKC0914 example"),
    "example of fractions": (lambda: _lower(example=(1.0, 20.0)), "AKC0914 example"),
    "calibrate": (lambda: _lower(calibrate=b"abc"), "AKC0914 calibrate .npz"),
    "calibrate that is a truth": (lambda: _lower(calibrate=True), "AKC0914 calibrate"),
    "calibrate with uneven rows": (lambda: _lower(calibrate=[[1.0], [1.0, 2.0]]), "AKC0703 numbers"),
    "calibrate that needs a gradient": (
        lambda: _lower(calibrate=torch.ones(4, 20, requires_grad=True)),
        "AKC0703 grad",
    ),
    "calibrate of objects": (lambda: _lower(calibrate=object()), "AKC0703"),
    "a file of samples that is gone": (lambda: _lower(calibrate="gone.npz"), "AKC0901 gone.npz"),
    "range of one number": (lambda: _lower(input_range=(1.0,)), "AKC0914 input_range"),
    "range of words": (lambda: _lower(input_range=("0", "1")), "AKC0914 input_range"),
    "range that is none": (lambda: _lower(input_range=(1.0, 0.0)), "AKC0905"),
    "least": (lambda: _lower(least=80), "AKC0914 least share"),
    "least that is a word": (lambda: _lower(least="0.8"), "AKC0914 least"),
    "pipeline": (lambda: _lower(pipeline=["lower-int4"]), "AKC0914 pipeline"),
    "dump_dir": (lambda: _lower(dump_dir=5), "AKC0914 dump_dir"),
    "context": (lambda: _lower(context={}), "AKC0914 context"),
    "a keyword of lower": (lambda: _lower(calibrat=X), "AKC0913 lower calibrat did mean calibrate"),
    "a keyword of a spiking source": (lambda: _lower(stpes=5), "AKC0913 did mean steps"),
    "a keyword of build": (lambda: akc.build(MODULE, plase="compact"), "AKC0913 did mean place"),  # type: ignore[call-arg]
    "nothing to lower": (lambda: akc.lower(), "AKC0913 source"),  # type: ignore[call-arg]
    "a source of no kind": (lambda: akc.lower(5), "AKC0914 source file"),
    "a class in place of a module": (lambda: akc.lower(nn.Linear), "AKC0914 source instance"),
    "a file of no kind": (lambda: akc.lower("m.onnxx"), "AKC0904 .onnxx"),
    "nothing to build": (lambda: akc.build(None), "AKC0914 module None"),  # type: ignore[arg-type]
    "a file in place of a text": (lambda: akc.parse(Path("net.akir")), "AKC0914 text read()"),  # type: ignore[arg-type]
    "a text that is none": (lambda: akc.build("net.akir"), "AKC0001"),
    "printing a text": (lambda: akc.print_module("akir 1.0"), "AKC0914 module"),  # type: ignore[arg-type]
    "loading nothing": (lambda: akc.load(None), "AKC0914 path"),  # type: ignore[arg-type]
    "saving to a number": (lambda: akc.build(MODULE).save(5), "AKC0914 path 5"),  # type: ignore[arg-type]
    "a device": (lambda: akc.open_device("emulater"), "AKC0801 emulator"),
    "a device that is no word": (lambda: akc.open_device(0), "AKC0914 name"),  # type: ignore[arg-type]
    "running a number": (lambda: akc.run(5, X), "AKC0914 module"),  # type: ignore[arg-type]
    "running without samples": (lambda: akc.run(MODULE, None), "AKC0914 inputs"),
    "running other shapes": (lambda: akc.run(MODULE, X[:, :5]), "AKC0703 20"),
    "running other names": (lambda: akc.run(MODULE, {"a": X, "b": X}), "AKC0702 input"),
    "a program on other shapes": (lambda: akc.build(MODULE).run(X[:, :5]), "AKC0703 20"),
    "a run that is raw of floats": (lambda: akc.run(MODULE, X, raw=True), "AKC0703"),
    "a truth that is a word": (lambda: akc.run(MODULE, X, raw="yes"), "AKC0914 raw"),  # type: ignore[arg-type]
    "fitting what learns not": (lambda: akc.fit(MODULE, X), "AKC0519"),
    "seed": (lambda: akc.fit(MODULE, X, seed="x"), "AKC0914 seed"),  # type: ignore[arg-type]
    "matrices of words": (lambda: akc.dense_network([["a"]]), "AKC0914 weights 1"),
    "matrices that are one number": (lambda: akc.dense_network(5), "AKC0914 weights"),  # type: ignore[arg-type]
    "bits": (lambda: akc.dense_network(W, B, (20,), bits=3), "AKC0404 weights activations"),
    "shape of an input": (lambda: akc.dense_network(W, B, "20"), "AKC0914 input_shape"),
    "reservoir of two shapes": (lambda: akc.echo_state_network(W[0], np.eye(5), steps=3), "AKC0202 [6, 6]"),
    "reservoir without steps": (lambda: akc.echo_state_network(W[0], np.eye(6), steps=0), "AKC0914 steps"),
    "windows": (lambda: akc.train_readout(SMALL, X, [0] * 9, windows=0, example=(1, 20)), "AKC0914 windows"),
    "labels of a read-out": (lambda: akc.train_readout(SMALL, X, [0], example=(1, 20)), "AKC0410"),
    "a keyword of a read-out": (
        lambda: akc.train_readout(SMALL, X, [0] * 9, strenght=1.0),
        "AKC0913 did mean strength",
    ),
    "a pipeline that is a number": (lambda: akc.run_pipeline(MODULE, 5, akc.Context()), "AKC0914 pipeline"),  # type: ignore[arg-type]
    "a pipeline of an unknown pass": (lambda: akc.run_pipeline(MODULE, "plase", akc.Context()), "AKC0402 place"),
    "a context of an unknown chip": (
        lambda: akc.run_pipeline(MODULE, "place", akc.Context(target_name="nochip")),
        "AKC0912 nochip",
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_fault_of_the_call_is_a_diagnostic(call: str) -> None:
    make, expected = CALLS[call]
    with pytest.raises(akc.DiagnosticError) as caught:
        make()
    code, *words = expected.split()
    assert {d.code for d in caught.value.diagnostics} == {code}
    for word in words:
        assert word in str(caught.value)


def test_all_faults_of_a_call_at_once() -> None:
    with pytest.raises(akc.DiagnosticError) as caught:
        _lower(host="yes", spikes="no", target="x", steps=0)
    assert len(caught.value.diagnostics) == 4


def test_a_device_says_what_it_takes() -> None:
    with akc.open_device("emulator") as device:
        for call in (lambda: device.program(5), lambda: device.predict(None), lambda: device.predict([[1], [1, 2]])):
            with pytest.raises(akc.DiagnosticError):
                call()


def test_signatures_stay_readable() -> None:
    assert list(inspect.signature(akc.build).parameters)[:2] == ["module", "target"]
    assert akc.lower.__doc__ and akc.lower.__name__ == "lower"


# -- warnings --------------------------------------------------------------------------------------


def test_warnings_reach_a_python_user_at_the_line_of_the_call() -> None:
    with pytest.warns(akc.DiagnosticWarning, match="no calibration samples") as caught:
        _lower()
    assert [w.filename for w in caught] == [__file__] * len(caught)
    assert isinstance(caught[0].message, akc.DiagnosticWarning)
    assert caught[0].message.diagnostic.code == "AKC0411"


def test_a_context_collects_them_instead() -> None:
    context = akc.Context()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        akc.build(_lower(context=context), context=context)
    assert [d.code for d in context.warnings] == ["AKC0411"]


# -- running ---------------------------------------------------------------------------------------


def test_a_text_of_any_level_runs(tmp_path: Path) -> None:
    """Imported, mappable, quantised and placed; the last two give the program's own numbers."""
    imported = akc.lower(SMALL, example=(1, 20), pipeline="", input_range=(0.0, 1.0))
    with torch.no_grad():
        wanted = SMALL(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(akc.run(imported, X), wanted, atol=1e-5)
    mappable = akc.lower(imported, pipeline="fold-layout,fold-batchnorm,legalize", context=akc.Context())
    np.testing.assert_allclose(akc.run(akc.print_module(mappable), X), wanted, atol=1e-5)
    quantised = akc.lower(imported, calibrate=X, context=akc.Context())
    program = akc.build(quantised)
    np.testing.assert_array_equal(akc.run(quantised, X), program.run(X))
    np.testing.assert_array_equal(akc.run(program.module, X), program.run(X))
    np.testing.assert_array_equal(akc.run(akc.print_module(program.module), {"input": X}), program.run(X))
    np.savez(tmp_path / "x.npz", input=X, labels=np.zeros(9, int))
    np.testing.assert_array_equal(akc.run(quantised, tmp_path / "x.npz"), program.run(X))


def test_one_sample_without_a_batch_axis_and_the_chips_integers() -> None:
    program = akc.build(MODULE)
    np.testing.assert_array_equal(akc.run(MODULE, X[0]), program.run(X[:1]))
    levels = np.full((2, 1, 1, 20), 3, np.uint8)
    assert akc.run(MODULE, levels, raw=True).dtype.kind == "i"
