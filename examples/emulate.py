# SPDX-License-Identifier: Apache-2.0
"""Every example on the emulated chip, by the commands that a user types.

    python examples/emulate.py                       # all networks, whole test sets
    python examples/emulate.py mnist_snn             # one of them
    python examples/emulate.py mnist_snn --count 20  # its first 20 test samples

Leaves net.akd, x.npy and y.npy in examples/<name>/build. `akc verify` compares every integer that a sequence gives
with the simulator's; `akc run` gives the network's outputs, which are compared with the simulator's too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

import akc
from examples import roads
from examples.accuracy import percent
from examples.data import Floats
from examples.networks import NETWORKS, folder_of


def write(program: akc.Program, inputs: Floats, folder: Path) -> None:
    """A program and inputs as net.akd and x.npy (bytes where they are counts)."""
    folder.mkdir(parents=True, exist_ok=True)
    program.save(folder / "net.akd")
    counts = inputs.clip(0, 255).astype(np.uint8)
    np.save(folder / "x.npy", counts if np.array_equal(counts, inputs) else inputs)


def akc_command(folder: Path, line: str) -> None:
    """Types one line; raises CalledProcessError where it fails."""
    print(f"$ {line}", flush=True)
    subprocess.run([sys.executable, "-m", *line.split()], cwd=folder, check=True)


def run_all(folder: Path) -> None:
    """Verify on the emulator, then run there and on the simulator."""
    akc_command(folder, "akc verify net.akd -i x.npy --on emulator")
    akc_command(folder, "akc run net.akd -i x.npy --on emulator -o y.npy")
    akc_command(folder, "akc run net.akd -i x.npy -o simulated.npy")


def outputs(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """What the emulator gave; raises AssertionError where the simulator gave something else."""
    emulated, simulated = np.load(folder / "y.npy"), np.load(folder / "simulated.npy")
    np.testing.assert_array_equal(emulated, simulated)
    return np.asarray(emulated)


def emulate(name: str, count: int | None, folder: Path) -> str:
    """Runs one example; a line for its README."""
    case = NETWORKS[name](count) if count else NETWORKS[name]()
    write(roads.compile_case(case, roads.CALIBRATED), case.inputs, folder)
    run_all(folder)
    answers = outputs(folder).reshape(len(case.labels), -1).argmax(axis=1)
    accuracy = percent(answers, case.labels)
    return f"{name}: {len(answers)} samples, all equal to the simulator, accuracy {accuracy:.2f} %"


def main() -> None:
    """Prints a line for each network."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    arguments.add_argument("--count", type=int, help="test samples (all by default)")
    chosen = arguments.parse_args()
    if unknown := set(chosen.names) - set(NETWORKS):
        arguments.error(f"no network {', '.join(sorted(unknown))}")
    for name in chosen.names or NETWORKS:
        print(emulate(name, chosen.count, folder_of(name, "build")), flush=True)


if __name__ == "__main__":
    main()
