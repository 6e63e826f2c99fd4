# SPDX-License-Identifier: Apache-2.0
"""lava .net files, written by the tests with h5py in lava-dl's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from akc.diagnostics import DiagnosticError
from akc.frontends.lava import read_lava
from akc.frontends.spiking import SpikingOptions
from akc.sim.run import run

CUBA = {"type": b"CUBA", "iDecay": 1024, "vDecay": 128, "vThMant": 80, "refDelay": 1}


def options(**fields: Any) -> SpikingOptions:
    """12 steps, values over time."""
    return SpikingOptions(**{"steps": 12, "readout": "none", **fields})


def written(tmp_path: Path, *layers: dict[str, Any]) -> str:
    """A file with these layers; dicts become groups."""
    path = tmp_path / "net.net"

    def fill(group: Any, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                fill(group.create_group(key), value)
            elif isinstance(value, bytes) and key == "type" and group.name.count("/") == 2:
                group[key] = np.array([value])
            else:
                group[key] = value

    with h5py.File(path, "w") as file:
        for index, layer in enumerate(layers):
            fill(file.create_group(f"layer/{index}"), layer)
    return str(path)


def dense(weight: np.ndarray, **more: Any) -> dict[str, Any]:
    """A dense layer."""
    rows, columns = weight.shape
    return {"type": b"dense", "shape": np.array([rows]), "inFeatures": columns, "outFeatures": rows,
            "weight": weight.astype(np.float32), "neuron": CUBA, **more}  # fmt: skip


def loihi(currents: np.ndarray, bias: np.ndarray | int = 0) -> np.ndarray:
    """The neuron by the book, [T, n] whole currents."""
    u = v = np.zeros(currents.shape[1], np.int64)
    out = []
    for a in currents.astype(np.int64):
        u = np.sign(u) * (np.abs(u) * 3072 // 4096) + 64 * a
        v = np.sign(v) * (np.abs(v) * 3968 // 4096) + u + 64 * bias
        s = v > 80 * 64
        v = np.where(s, 0, v)
        out.append(s)
    return np.array(out, np.float32)


def test_two_dense_layers(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    w1, w2 = rng.integers(-60, 90, (16, 20)), rng.integers(-60, 60, (5, 16))
    bias = rng.integers(-20, 20, 5)
    path = written(tmp_path, dense(w1), dense(w2, bias=bias.astype(np.float32)))
    x = (rng.random((1, 12, 20)) < 0.2).astype(np.float32)
    hidden = loihi(x[0] @ w1.T)
    wanted = loihi(hidden @ w2.T, bias)
    assert 5 < wanted.sum() < wanted.size
    np.testing.assert_array_equal(next(iter(run(read_lava(path, options()), x).values()))[0], wanted)


def test_encoder_layer_takes_numbers(tmp_path: Path) -> None:
    encoder = {
        "type": b"input",
        "shape": np.array([4]),
        "weight": np.float32(76),
        "bias": np.float32(10),
        "neuron": CUBA,
    }
    module = read_lava(written(tmp_path, encoder, dense(np.full((2, 4), 100))), options(readout="count"))
    assert module.net.inputs[0].type.steps is None
    x = np.array([[0, 0.5, 1, 1]], np.float32)
    values = run(module, x, keep=True)
    np.testing.assert_array_equal(values["layer0.neuron"][0], loihi(np.tile(np.rint(76 * x[0]), (12, 1)), 10))


def test_convolution(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    weight = rng.integers(-20, 60, (3, 2, 3, 3, 1)).astype(np.float32)
    encoder = {"type": b"input", "shape": np.array([2, 6, 6]), "weight": 64, "bias": 0, "neuron": CUBA}
    conv = {"type": b"conv", "shape": np.array([3, 4, 4]), "weight": weight, "stride": np.array([1, 1]), "neuron": CUBA,
            "padding": np.array([0, 0]), "dilation": np.array([1, 1]), "groups": 1}  # fmt: skip
    module = read_lava(written(tmp_path, encoder, conv), options(readout="count"))
    assert module.net.output_types[0].shape == (3, 4, 4)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "delay": ({"delay": np.ones(3)}, "AKC0375"),
    "complex weights": ({"weight": {"real": np.ones((3, 4)), "imag": np.ones((3, 4))}}, "AKC0372"),
    "resonators": ({"neuron": {**CUBA, "type": b"RF_IZ"}}, "AKC0372"),
    "recurrent": ({"weight_rec": np.ones((3, 3))}, "AKC0371"),
    "pool": ({"type": b"pool"}, "AKC0386"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind: str, tmp_path: Path) -> None:
    change, code = REFUSED[kind]
    path = written(tmp_path, dense(np.ones((4, 4))), {**dense(np.ones((3, 4))), **change})
    with pytest.raises(DiagnosticError) as caught:
        read_lava(path, options())
    assert caught.value.diagnostics[0].code == code
    assert caught.value.diagnostics[0].origin == ("layer1",)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no.net").write_bytes(b"not HDF5")
    with pytest.raises(DiagnosticError, match="AKC0389"):
        read_lava(str(tmp_path / "no.net"), options())
