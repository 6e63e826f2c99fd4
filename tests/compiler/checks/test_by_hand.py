# SPDX-License-Identifier: Apache-2.0
"""`akc check --against` on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import akc
from akc.ir.printer import print_module
from tests.cli import runner
from tests.compiler.checks.test_imports import cnn, exported
from tests.compiler.checks.test_rewrites import moved


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """model.onnx, x.npy, its text, and the text with an edit."""
    monkeypatch.chdir(tmp_path)
    model = exported(cnn(), 1, 1, 8, 8)
    onnx.save(model, "model.onnx")
    np.save("x.npy", np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32))
    module = akc.lower(model, pipeline="fold-layout,fold-batchnorm")
    Path("net.akir").write_text(print_module(module))
    Path("edited.akir").write_text(print_module(moved(module)))
    Path("levels.akir").write_text(print_module(akc.lower(model, input_range=(0.0, 1.0))))
    return tmp_path


def test_a_text_that_computes_the_same(folder: Path) -> None:
    result = runner.akc("check", "--against", "model.onnx", "-i", "x.npy", "net.akir")
    assert result.code == 0 and "checked: import = model.onnx on 256 inputs" in result.stderr


def test_an_edit_that_changes_the_answers(folder: Path) -> None:
    result = runner.akc("check", "--against", "model.onnx", "-i", "x.npy", "edited.akir")
    assert result.code == 1 and "error[AKC0720]" in result.stderr


def test_a_quantised_text_is_compared_another_way(folder: Path) -> None:
    result = runner.akc("check", "--against", "model.onnx", "levels.akir")
    assert result.code == 1 and "error[AKC0723]" in result.stderr
    assert runner.akc("compare", "levels.akir", "model.onnx", "-i", "x.npy").code == 0
