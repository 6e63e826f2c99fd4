# SPDX-License-Identifier: Apache-2.0
"""Command lines as processes, a table of one for each verb, and what each leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

import akc
from akc.cli.main import cli
from akc.compiler.arrays import float_network

VERBS: dict[str, str] = {
    "--help": "--help",
    "lower": "lower float.akir --input-range 0,1",
    "opt": "opt net.akir -p place",
    "check": "check net.akir",
    "fmt": "fmt net.akir -o -",
    "passes": "passes",
    "explain": "explain AKC0203",
    "build": "build net.akir -o -",
    "export": "export net.akir --onnx -",
    "run": "run net.akd -i x.npy",
    "run --stream": "run net.akd --stream -i x.npy",
    "compare": "compare net.akir float.akir -i x.npy",
    "report": "report net.akd",
    "disasm": "disasm net.akd",
    "diff": "diff net.akd net.akd",
    "devices": "devices",
    "doctor": "doctor",
    "verify": "verify net.akd -i x.npy",
    "learn": "learn learning.akd -i labelled.npz --on simulator -o -",
    "bench": "bench net.akd -i x.npy --repeat 1",
}
"""A command of each verb that works in the folder of `make_folder`."""


def missing_verbs() -> set[str]:
    """Verbs without a row."""
    return set(cli.commands) - set(VERBS)


@frozen
class Outcome:
    """Exit code of a process and what it wrote."""

    code: int
    stdout: bytes
    stderr: str


def make_folder(folder: Path) -> Path:
    """The files that the commands name."""
    generator = np.random.default_rng(0)
    matrices = [generator.normal(0, 0.5, shape).astype(np.float32) for shape in ((6, 20), (3, 6))]
    context = akc.Context()
    net = akc.dense_network(matrices, [None, None], (20,), input_range=(0.0, 1.0), context=context)
    (folder / "float.akir").write_text(akc.print_module(float_network(matrices, [None, None], (20,))))
    (folder / "net.akir").write_text(akc.print_module(net))
    akc.build(net).save(folder / "net.akd")
    bits = akc.dense_network(matrices, [None, None], (20,), bits=1, input_range=(0.0, 1.0), context=context)
    learning = akc.lower(bits, pipeline="learn{num_weights=2 num_classes=3}", context=context)
    akc.build(learning).save(folder / "learning.akd")
    x = generator.uniform(0, 1, (5, 20)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.savez(folder / "labelled.npz", input=x, labels=np.arange(5) % 3)
    return folder


def outcomes(folder: Path, cases: list[dict[str, Any]]) -> list[Outcome]:
    """Run cases one after the other in `folder`; see tests/cli/forking.py."""
    given = []
    for number, case in enumerate(cases):
        usual = {"stdin": os.devnull, "stdout": f"{number}.out", "stderr": f"{number}.err", "signal": 0, "fifo": ""}
        given.append({**usual, **case})
    (folder / "cases.json").write_text(json.dumps(given))
    script = Path(__file__).with_name("forking.py")
    done = subprocess.run(
        [sys.executable, script, "cases.json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [
        Outcome(code, _content(folder / case["stdout"]), _content(folder / case["stderr"]).decode())
        for code, case in zip(json.loads(done.stdout), given, strict=True)
    ]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
