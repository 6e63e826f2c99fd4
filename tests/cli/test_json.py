# SPDX-License-Identifier: Apache-2.0
"""Results as JSON: the same facts as the text, on stdout, with the same exit code and the same faults on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import akc as library
from akc.cli.main import cli
from tests.cli.processes import VERBS, make_folder
from tests.cli.runner import Outcome, akc

W = [np.eye(3, 8, dtype=np.float32)]
FLOAT = """akir 1.0

net @n(%x: f32[4]) -> f32[4] {
  %y = nn.relu(%x) : f32[4]
  return %y
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built network and another one, its text, a faulty text and samples."""
    here = tmp_path_factory.mktemp("json")
    network = library.dense_network(W, [np.zeros(3, np.float32)], (8,), input_range=(0.0, 1.0))
    module = library.lower(network)
    (here / "net.akir").write_text(library.print_module(module))
    (here / "float.akir").write_text(FLOAT)
    library.build(module).save(here / "net.akd")
    library.build(module, place="compact").save(here / "same.akd")
    other = library.dense_network([W[0][::-1].copy()], [np.zeros(3, np.float32)], (8,), input_range=(0.0, 1.0))
    library.build(other).save(here / "other.akd")
    (here / "bad.akir").write_text((here / "float.akir").read_text().replace("return %", "return %not_"))
    np.save(here / "x.npy", np.linspace(0, 1, 24, dtype=np.float32).reshape(3, 8))
    return here


def _json(outcome: Outcome, code: int = 0) -> Any:
    assert outcome.code == code, outcome.stderr
    return json.loads(outcome.stdout)


def test_check(folder: Path) -> None:
    found = _json(akc("check", "net.akir", "--json", folder=folder))
    assert (found["file"], found["level"], found["diagnostics"]) == ("net.akir", "quantised", [])
    assert found["operations"] == 3
    refused = akc("check", "bad.akir", "--json", folder=folder)
    (fault,) = _json(refused, code=1)["diagnostics"]
    assert fault["severity"] == "error" and fault["file"] == "bad.akir" and fault["line"] > 3
    assert f"bad.akir:{fault['line']}:{fault['column']}" in refused.stderr and fault["message"] in refused.stderr


def test_check_against(folder: Path) -> None:
    found = _json(akc("check", "float.akir", "--against", "float.akir", "--json", folder=folder))
    assert found["against"] == "nothing to check: float.akir is a text of akc"


def test_diff(folder: Path) -> None:
    assert _json(akc("diff", "net.akd", "net.akd", "--json", folder=folder)) == {
        "equal": True,
        "counts": [1, 1],
        "sequences": [{"sequence": "s0", "equal": True, "difference": []}],
    }
    told = akc("diff", "net.akd", "other.akd", folder=folder)
    found = _json(akc("diff", "net.akd", "other.akd", "--json", folder=folder), code=1)
    assert not found["equal"] and found["sequences"][0]["difference"] == told.stdout.splitlines()


def test_verify(folder: Path) -> None:
    found = _json(akc("verify", "net.akd", "-i", "x.npy", "--json", folder=folder))
    assert found == {
        "on": "emulator",
        "equal": True,
        "sequences": [{"sequence": "s0", "samples": 3, "values": 9, "difference": None}],
    }


def test_bench(folder: Path) -> None:
    found = _json(akc("bench", "net.akd", "-i", "x.npy", "--repeat", "3", "--json", folder=folder))
    assert (found["on"], found["samples"], len(found["seconds"])) == ("simulator", 3, 3)
    assert found["samples_a_second"] == pytest.approx(3 / found["median"])
    assert found["median"] in found["seconds"]


def test_run(folder: Path) -> None:
    (values,) = _json(akc("run", "net.akd", "-i", "x.npy", "--json", folder=folder)).values()
    akc("run", "net.akd", "-i", "x.npy", "-o", "y.npy", folder=folder)
    saved = np.load(folder / "y.npy")
    assert (values["dtype"], values["shape"]) == (str(saved.dtype), list(saved.shape))
    assert np.array_equal(np.array(values["values"], saved.dtype), saved)
    assert akc("run", "net.akd", "-i", "x.npy", "--json", "-o", "y.npy", folder=folder).code == 2


def test_a_kit(tmp_path: Path) -> None:
    found = _json(akc("verify", "--kit", "kit", "--json", folder=tmp_path))
    assert found["folder"] == "kit" and len(found["networks"]) > 3


# -- every verb ------------------------------------------------------------------------------------

NO_TABLE = {
    "a text": ("lower", "tune", "opt", "fmt", "disasm"),
    "a file for other programs": ("build", "export", "learn"),
    "messages to an editor": ("lsp",),
}
"""Verbs whose product is no table, and what it is."""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("everything"))


@pytest.mark.parametrize("verb", sorted(set(cli.commands) - {verb for verbs in NO_TABLE.values() for verb in verbs}))
def test_every_verb_that_prints_a_table(verb: str, everything: Path) -> None:
    """A new verb is in one of the two tables: it takes --json, or its product is none."""
    outcome = akc(*VERBS[verb].split(), "--json", folder=everything)
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout) and outcome.stdout.lstrip()[0] in "{["


@pytest.mark.parametrize("verb", sorted(verb for verbs in NO_TABLE.values() for verb in verbs))
def test_no_other_verb_takes_it(verb: str) -> None:
    assert not [option for option in cli.commands[verb].params if "--json" in option.opts]
