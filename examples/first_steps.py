# SPDX-License-Identifier: Apache-2.0
"""Writes what the five minutes of the README start from into the current folder: model.onnx, samples.npz and x.npy.

    python examples/first_steps.py

The network of examples/mnist_mlp, 200 digits of MNIST normalised as it was trained, with labels, and ten of them alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def write(folder: Path) -> None:
    """The three files in a folder."""
    with np.load(ROOT / "tests" / "data" / "mnist_200.npz") as digits:
        pictures = ((digits["image"] / np.float32(255) - 0.1307) / 0.3081).astype(np.float32)[:, None]
        np.savez(folder / "samples.npz", image=pictures, labels=digits["labels"])
        np.save(folder / "x.npy", pictures[:10])
    shutil.copy(ROOT / "examples" / "mnist_mlp" / "mnist_mlp.onnx", folder / "model.onnx")


if __name__ == "__main__":
    write(Path())
