# SPDX-License-Identifier: Apache-2.0
"""Command lines as processes, a table of one for each verb, and what each leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

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
    "lsp": "lsp",
    "bench": "bench net.akd -i x.npy --repeat 1",
}
"""A command of each verb that works in the folder of `make_folder`."""


def missing_verbs() -> set[str]:
    """Verbs without a row; tune loads PyTorch, which takes seconds in every process: tests/tuning runs it."""
    return set(cli.commands) - set(VERBS) - {"tune"}


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


class Forking:
    """The process of tests/cli/forking.py, which imports akc once; `with Forking(folder) as running`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def __enter__(self) -> Self:
        script = Path(__file__).with_name("forking.py")
        self.errors = (self.folder / "forking.err").open("w")
        self.process = subprocess.Popen(
            [sys.executable, script],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        return self

    def __exit__(self, *fault: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()

    def outcomes(self, cases: list[dict[str, Any]]) -> list[Outcome]:
        """Run cases one after the other in the folder."""
        given = []
        for case in cases:
            names = {"stdout": f"{self.count}.out", "stderr": f"{self.count}.err"}
            given.append({"stdin": os.devnull, **names, "signal": 0, "fifo": "", **case})
            self.count += 1
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(given), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, (self.folder / "forking.err").read_text()
        return [
            Outcome(code, _content(self.folder / case["stdout"]), _content(self.folder / case["stderr"]).decode())
            for code, case in zip(json.loads(answer), given, strict=True)
        ]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
