# SPDX-License-Identifier: Apache-2.0
"""The same network gives the same bytes on every interpreter of this machine, whatever surrounds it.

    python .ci/reproducible.py [FOLDER]

Interpreters: 3.11 and newer ones, on the path or of pyenv; each in an environment of its own with akc[onnx], the one
that runs this also with the oldest numpy that akc takes. Roads: ONNX and a text to a built network, and the vendor's
model file. Surroundings: hash seeds, threads, locales, time zones, folders. Prints a digest for each product.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST_NUMPY = "numpy==1.26.4"
ROADS = (
    ("lower", "n.onnx", "--input-range", "0,1", "-o", "onnx.akir"),
    ("build", "onnx.akir", "-o", "onnx.akd", "--program", "onnx.bin", "--fbz", "onnx.fbz"),
    ("build", "n.akir", "-o", "text.akd", "--program", "text.bin"),
    ("lower", "n.fbz", "-o", "fbz.akir"),
    ("build", "fbz.akir", "-o", "fbz.akd", "--program", "fbz.bin"),
)
SURROUNDINGS = (
    {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "LC_ALL": "C", "TZ": "UTC"},
    {"PYTHONHASHSEED": "4711", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "LC_ALL": "C.UTF-8",
     "TZ": "Asia/Tokyo"},
)  # fmt: skip
PRODUCTS = ("onnx.akir", "onnx.akd", "onnx.bin", "onnx.fbz", "text.akd", "text.bin", "fbz.akir", "fbz.akd", "fbz.bin")

INPUTS = """
import pathlib, sys
sys.path.insert(0, {root!r})
from tests.fuzz.seeds import built
built(pathlib.Path({folder!r}))
"""


def interpreters() -> list[str]:
    """Pythons from 3.11 on, one a version, that of this run first."""
    found = {sys.version_info[:2]: sys.executable}
    places = [f"{folder}/python3.*" for folder in os.environ["PATH"].split(":")]
    for path in sorted(
        p for place in [*places, str(Path.home() / ".pyenv/versions/*/bin/python3.*")] for p in glob.glob(place)
    ):
        version = Path(path).name.removeprefix("python3.")
        if version.isdigit() and int(version) >= 11 and _runs(path):
            found.setdefault((3, int(version)), path)
    return list(found.values())


def _runs(path: str) -> bool:
    return subprocess.run([path, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0


def environment(python: str, folder: Path, *packages: str) -> Path:
    """A new environment with akc and these packages; gives its akc."""
    if (folder / "bin" / "akc").exists():
        return folder / "bin" / "akc"
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, f"{ROOT}[onnx]", *packages], check=True)
    return folder / "bin" / "akc"


def digests(akc: Path, inputs: Path, surroundings: dict[str, str]) -> dict[str, str]:
    """What the roads give in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="akc-ü ") as scratch:
        for name in ("n.onnx", "n.akir", "n.fbz"):
            shutil.copy(inputs / name, scratch)
        for argv in ROADS:
            there = {**os.environ, **surroundings}
            subprocess.run([str(akc), *argv, "--quiet"], cwd=scratch, env=there, check=True)
        return {name: hashlib.sha256((Path(scratch) / name).read_bytes()).hexdigest()[:16] for name in PRODUCTS}


def main(folder: Path) -> int:
    """Compare all; 1 where a digest differs."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    script = INPUTS.format(root=str(ROOT), folder=str(inputs))
    subprocess.run([str(ROOT / ".venv/bin/python"), "-c", script], check=True)
    wanted: dict[str, str] = {}
    bad = 0
    cases = [(python, ()) for python in interpreters()] + [(sys.executable, (OLDEST_NUMPY,))]
    for number, (python, packages) in enumerate(cases):
        akc = environment(python, folder / f"env{number}", *packages)
        ask = "import sys, numpy; print(sys.version.split()[0], 'numpy', numpy.__version__)"
        who = subprocess.run(
            [str(akc.parent / "python"), "-c", ask], capture_output=True, text=True, check=True
        ).stdout.strip()
        for surroundings in SURROUNDINGS:
            found = digests(akc, inputs, surroundings)
            wanted = wanted or found
            other = [name for name in PRODUCTS if found[name] != wanted[name]]
            bad += len(other)
            around = " ".join(f"{key}={value}" for key, value in surroundings.items())
            print(f"{who}, {around}: {'the same' if not other else 'OTHERS: ' + ', '.join(other)}", flush=True)
    print("\n".join(f"{digest}  {name}" for name, digest in wanted.items()))
    return int(bad > 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)))
