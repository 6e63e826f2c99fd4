# SPDX-License-Identifier: Apache-2.0
"""Typical mistakes at the prompt: one answer each, exit code 1, and nothing written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import akc as api
from akc.base.diagnostics import DiagnosticError
from tests.cli import models
from tests.cli.runner import akc


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its text and program, and files of every wrong kind."""
    place = tmp_path_factory.mktemp("mistakes")
    models.dense(place / "m.onnx")
    assert akc("lower", "m.onnx", "-o", "net.akir", folder=place).code == 0
    assert akc("build", "net.akir", "--program", "net.bin", "-o", "net.akd", folder=place).code == 0
    x = np.random.default_rng(0).uniform(0, 1, (4, 16)).astype(np.float32)
    np.save(place / "x.npy", x)
    np.savez(place / "two.npz", a=x, b=x)
    np.savez(place / "labels.npz", labels=np.arange(4))
    np.savez(place / "uneven.npz", image=x, labels=np.arange(3))
    np.savez(place / "objects.npz", image=np.array([{}, 1], dtype=object))
    np.save(place / "wide.npy", np.zeros((4, 17), np.float32))
    np.save(place / "words.npy", np.array(["a", "b"]))
    np.save(place / "none.npy", x[:0])
    np.save(place / "nan.npy", x * np.nan)
    np.save(place / "complex.npy", x.astype(complex))
    (place / "cut.akd").write_bytes((place / "net.akd").read_bytes()[:500])
    (place / "cut.npz").write_bytes((place / "two.npz").read_bytes()[:300])
    (place / "hello.npz").write_text("hello")
    (place / "empty.npz").touch()
    (place / "empty.onnx").touch()
    (place / "empty.akir").touch()
    (place / "empty.bin").touch()
    (place / "latin.akir").write_bytes("akir 1.0\n// café\n".encode("latin-1"))
    (place / "folder.akir").mkdir()
    return place


MISTAKES = {
    "no such file": ("lower gone.onnx", "AKC0901: gone.onnx"),
    "a folder": ("check folder.akir", "AKC0901: folder.akir: is a directory"),
    "an empty model": ("lower empty.onnx", "AKC0301: empty.onnx: the file is empty"),
    "an empty text": ("check empty.akir", "AKC0001 --> empty.akir:1:1"),
    "an empty program": ("disasm empty.bin", "AKC0909: empty.bin is empty"),
    "a text that is none": ("check latin.akir", "AKC0902: latin.akir is no text: byte 15"),
    "a binary as text": ("check net.akd", "AKC0902: net.akd is no text"),
    "an ending with a slip": ("lower m.onnxx", "AKC0904: .onnxx .onnx,"),
    "no ending": ("lower m", "AKC0904: (none)"),
    "a factory without its name": ("lower m.py", "AKC0904: m.py:make_model --example"),
    "no samples": ("lower m.onnx --calibrate gone.npz", "AKC0901: gone.npz"),
    "an empty sample file": ("lower m.onnx --calibrate empty.npz", "AKC0701: empty.npz it is empty"),
    "samples of another kind": ("lower m.onnx --calibrate hello.npz", "AKC0701: hello.npz numpy.savez"),
    "samples cut short": ("lower m.onnx --calibrate cut.npz", "AKC0701: cut.npz cannot be read"),
    "samples that are objects": ("lower m.onnx --calibrate objects.npz", "AKC0701: an array holds Python objects"),
    "samples that are words": ("lower m.onnx --calibrate words.npy", "AKC0703: words.npy"),
    "samples of another shape": ("lower m.onnx --calibrate wide.npy", "AKC0703: [batch, 16], found [4, 17] wide.npy"),
    "samples of no batch": ("lower m.onnx --calibrate none.npy", "AKC0703: the batch is empty none.npy"),
    "samples that are no numbers": ("lower m.onnx --calibrate nan.npy", "AKC0703: NaN nan.npy"),
    "complex samples": ("lower m.onnx --calibrate complex.npy", "AKC0703: complex128"),
    "samples of other names": ("lower m.onnx --calibrate two.npz", "AKC0702: %image a, b numpy.savez image=..."),
    "labels alone": ("lower m.onnx --calibrate labels.npz", "AKC0702: %image labels.npz"),
    "labels of other samples": ("lower m.onnx --calibrate uneven.npz", "AKC0703: 4 samples and 3 labels uneven.npz"),
    "an unknown pass": ("lower m.onnx -p lower-int5", "AKC0402 ^^^^^^^^^^ did you mean lower-int4?"),
    "an unknown option": ("lower m.onnx -p lower-int4{wieghts=4}", "AKC0403 ^^^^^^^ did you mean weights?"),
    "a value that an option lacks": ("lower m.onnx -p lower-int4{weights=3}", "AKC0404: 1, 2 or 4 is needed ^"),
    "two wrong values": ("lower m.onnx -p lower-int4{weights=x,per=y}", "AKC0404: whole number channel or layer ^"),
    "a pipeline cut short": ("lower m.onnx -p lower-int4{weights=4", "AKC0401 the text ends here ^"),
    "a pass too early": ("lower m.onnx -p place", "AKC0203 mappable fc1 lower-int4"),
    "no ranges": ("lower m.onnx -p lower-int4", "AKC0413 run calibrate"),
    "windows without spikes": ("lower m.onnx --window 3", "AKC0402 no pass rate it runs"),
    "an output folder that is not there": ("lower m.onnx -o no/net.akir", "AKC0903: no/net.akir mkdir -p no"),
    "an output that is a folder": ("lower m.onnx -o folder.akir", "AKC0903: folder.akir: is a directory"),
    "the source as output of lower": ("lower m.onnx -o m.onnx", "AKC0916: m.onnx is a source"),
    "the source as output of build": ("build net.akir -o net.akir", "AKC0916: net.akir is a source"),
    "the source as output of run": ("run net.akir -i x.npy -o net.akir", "AKC0916: net.akir is a source"),
    "the samples as output of run": ("run net.akir -i x.npy -o x.npy", "AKC0916: x.npy is a source"),
    "one of two outputs": ("build net.akir -o new.akd --program no/p.bin", "AKC0903: no/p.bin"),
    "a dump that is a file": ("lower m.onnx --dump-dir m.onnx", "AKC0903: m.onnx: is a file, not a folder"),
    "a kit that is a file": ("verify --kit m.onnx", "AKC0903"),
    "a text that is no program": ("disasm net.akir", "AKC0909: net.akir is akc's own text akc build"),
    "a model that is no program": ("diff net.akd m.onnx", "AKC0909: m.onnx is ONNX"),
    "an .akd cut short": ("run cut.akd -i x.npy", "AKC0601: cut.akd"),
    "samples as a network": ("run two.npz -i x.npy", "AKC0904: .npz"),
    "inputs of another shape": ("run net.akd -i wide.npy -o y.npy", "AKC0703: [batch, 16], found [4, 17]"),
    "raw inputs that are not": ("run net.akd -i x.npy --raw", "AKC0703"),
    "a device of no kind": ("run net.akd -i x.npy --on chip", "AKC0801: chip akc devices"),
    "a text on a device": ("bench net.akir -i x.npy", "AKC0908: net.akir akc build"),
    "a source of another shape": ("compare net.akir m.onnx -i wide.npy", "AKC0703"),
    "an unknown code": ("explain AKC9999", "AKC0907: AKC9999"),
    "an unknown pass to list": ("passes lower", "AKC0402 did you mean lower-int4?"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_answer_and_nothing_written(mistake: str, folder: Path) -> None:
    command, expected = MISTAKES[mistake]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    outcome = akc(*command.split(" "), folder=folder)
    assert outcome.code == 1, outcome.stderr
    assert outcome.stdout == "" and "Traceback" not in outcome.stderr
    code, _, words = expected.partition(" ")
    assert outcome.stderr.count("error[") == outcome.stderr.count(f"error[{code.rstrip(':')}]") >= 1
    for word in words.split():
        assert word in outcome.stderr, f"{word!r} is not in\n{outcome.stderr}"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "command",
    [
        "lowr m.onnx",
        "lower m.onnx --calibrat x.npy",
        "lower m.onnx --host=alow",
        "lower m.onnx --input-range 3",
        "lower m.onnx --input-range nan,nan",
        "lower m.onnx --input-range=-inf,inf",
        "build net.akir --engine-version banana",
        "run net.akd",
        "run net.akd -i x.npy --clock",
        "verify net.akd",
    ],
)
def test_usage(command: str, folder: Path) -> None:
    outcome = akc(*command.split(" "), folder=folder)
    assert outcome.code == 2 and "Usage:" in outcome.stderr and "Error: " in outcome.stderr


def test_options_that_say_nothing_are_told(folder: Path) -> None:
    command = "lower m.onnx --steps 5 --topology 3-4 --spikes rate"
    outcome = akc(*command.split(" "), folder=folder)
    assert outcome.code == 0
    assert "AKC0911]: --steps and --topology say nothing about m.onnx" in outcome.stderr
    assert "AKC0911]: --spikes says nothing about a network without spiking neurons" in outcome.stderr


@pytest.mark.parametrize("limits", [(0.0, float("inf")), (float("nan"), 1.0), (1.0, 0.0)])
def test_ranges_from_python(limits: tuple[float, float], folder: Path) -> None:
    with pytest.raises(DiagnosticError, match="AKC0905"):
        api.lower(str(folder / "m.onnx"), input_range=limits)


def test_a_keyword_with_a_slip(folder: Path) -> None:
    with pytest.raises(DiagnosticError, match=r"lower has no keyword stpes\n.*did you mean steps"):
        api.lower(str(folder / "m.onnx"), stpes=5)


def test_a_folder_that_may_not_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    outcome = akc("lower", "m.onnx", "-o", "other.akir", folder=folder)
    assert outcome.code == 1 and "AKC0903]: other.akir: permission denied" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("akc low", "plain,lower"),
        ("akc explain akc090", "plain,AKC0901"),
        ("akc passes fold-l", "plain,fold-layout"),
        ("akc lower m.onnx -p fold-batchnorm,fold-l", "plain,fold-batchnorm,fold-layout"),
        ("akc lower m.on", "file,m.on"),
        ("akc lower m.onnx --spikes ", "plain,hybrid"),
    ],
)
def test_completion(
    words: str, expected: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from akc.cli.main import main

    monkeypatch.setenv("_AKC_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    monkeypatch.setattr(sys, "argv", ["akc"])
    main()
    assert expected in capfd.readouterr().out.splitlines()
