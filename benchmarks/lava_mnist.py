# SPDX-License-Identifier: Apache-2.0
"""A lava MNIST network: Loihi's equations in the float simulator beside what akc makes of it for the AKD1000.

    pip download --no-deps --python-version 3.10 --only-binary=:all: lava-dl==0.6.0
    unzip -j lava_dl-0.6.0-*.whl tests/lava/lib/dl/netx/mnist.net
    python benchmarks/lava_mnist.py mnist.net [COUNT]

The file is lava-dl's own test network (784-512-512-10, BSD-3-Clause). Pixels go in from -1 to 1; 32 steps; the
answer is the largest potential summed over the steps. Calibration sees 1,000 training digits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.append(str(Path(__file__).resolve().parents[1]))

import akc
from akc.compiler.sources import Options, read_source
from akc.sim.run import run
from examples import data

STEPS = 32
BATCH = 250

Floats = npt.NDArray[np.float32]


def pixels(images: npt.NDArray[np.uint8]) -> Floats:
    """Pictures as [n, 784] from -1 to 1."""
    return (images.reshape(len(images), -1) / np.float32(127.5) - 1).astype(np.float32)


def answers(module: akc.Module, x: Floats) -> npt.NDArray[np.intp]:
    """The class with the largest output."""
    parts = [next(iter(run(module, x[i : i + BATCH]).values())) for i in range(0, len(x), BATCH)]
    return np.concatenate(parts).argmax(axis=1)


def main(path: str, count: int = 10_000) -> None:
    """Print accuracy and same answers of the three."""
    digits = data.mnist()
    x, labels = pixels(digits.test[:count]), digits.test_labels[:count]
    source = read_source(path, Options(spiking={"steps": STEPS, "readout": "last"}))
    loihi = answers(source, x)
    print(f"Loihi's equations, float simulator   {(loihi == labels).mean():.2%}")
    for what, samples in (("akc without samples", None), ("akc calibrated", pixels(digits.train[58_000:59_000]))):
        lowered = akc.lower(source, calibrate=samples, input_range=(-1.0, 1.0), spikes="rate")
        found = answers(lowered, x)
        print(f"{what:36} {(found == labels).mean():.2%}, same answer {(found == loihi).mean():.2%}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
