# SPDX-License-Identifier: Apache-2.0
"""lava .net files, written by the tests with h5py in lava-dl's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.lava import read_lava
from akc.frontends.spiking.reader import SpikingOptions
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


@pytest.mark.parametrize("seed", range(10))
def test_two_dense_layers(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
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
    "oscillators": ({"neuron": {**CUBA, "type": b"RF_IZHIKEVICH"}}, "AKC0372"),
    "adaptive": ({"neuron": {**CUBA, "type": b"ALIF"}}, "AKC0373"),
    "graded": ({"neuron": {**CUBA, "gradedSpike": True}}, "AKC0372"),
    "no relu": ({"neuron": {"type": b"SDNN", "vThMant": 0, "activation": b"tanh"}}, "AKC0372"),
    "concat": ({"type": b"concat"}, "AKC0394"),
    "convT": ({"type": b"convT"}, "AKC0386"),
    "unknown": ({"type": b"sponge"}, "AKC0386"),
    "without a kernel": ({"type": b"pool"}, "AKC0389"),
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


def test_pools_have_one_kernel_and_averages_take_groups(tmp_path: Path) -> None:
    conv_like = {"kernelSize": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0]),
                 "dilation": np.array([1, 1])}  # fmt: skip
    weight = np.array([[50.0, 20.0], [30.0, 40.0]], np.float32).reshape(1, 1, 2, 2, 1)
    silent = {"type": b"input", "shape": np.array([3, 4, 4])}
    pool = {"type": b"pool", "shape": np.array([3, 2, 2]), "weight": weight, "neuron": CUBA, **conv_like}
    flat, average = (
        {"type": b"flatten", "shape": np.array([12])},
        {"type": b"average", "shape": np.array([4, 1, 1])},
    )
    rng = np.random.default_rng(3)
    x = (rng.random((1, 12, 3, 4, 4)) < 0.4).astype(np.float32)
    module = read_lava(written(tmp_path, silent, pool, flat, average), options(readout="last"))
    windows = x[0].reshape(12, 3, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    spikes = loihi((windows * weight.reshape(2, 2)).sum((4, 5)).reshape(12, 12))
    assert 5 < spikes.sum() < spikes.size
    wanted = spikes.reshape(12, 4, 3).mean(2).sum(0)
    np.testing.assert_allclose(next(iter(run(module, x).values()))[0], wanted, rtol=1e-6)


def test_recurrent_layers_keep_their_own_spikes(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    weight, back = rng.integers(-20, 90, (6, 8)), rng.integers(-80, 60, (6, 6))
    path = written(tmp_path, {**dense(weight), "type": b"dense_rec", "weight_rec": back.astype(np.float32)})
    x = (rng.random((1, 12, 8)) < 0.3).astype(np.float32)
    u = v = s = np.zeros(6, np.int64)
    wanted = []
    for step in x[0].astype(np.int64):
        u = np.sign(u) * (np.abs(u) * 3072 // 4096) + 64 * (weight @ step + back @ s)
        v = np.sign(v) * (np.abs(v) * 3968 // 4096) + u
        s = (v > 80 * 64).astype(np.int64)
        v = np.where(s, 0, v)
        wanted.append(s)
    assert 3 < np.sum(wanted) < np.size(wanted)
    np.testing.assert_array_equal(next(iter(run(read_lava(path, options()), x).values()))[0], wanted)


def test_the_file_may_know_the_steps(tmp_path: Path) -> None:
    path = written(tmp_path, dense(np.ones((3, 4))))
    with pytest.raises(DiagnosticError, match="AKC0380"):
        read_lava(path, options(steps=None))
    with h5py.File(path, "a") as file:
        file["simulation/tSample"] = 16
    said = options(steps=None)
    assert read_lava(path, said).net.inputs[0].type.steps == 16
    assert "says 16 steps" in said.notes[0].message


# -- sigma-delta ---------------------------------------------------------------------------------


def sigma_delta(weight: np.ndarray, threshold: int = 0, **more: Any) -> dict[str, Any]:
    """A dense sigma-delta layer."""
    neuron = {"type": b"SDNN", "vThMant": threshold, "activation": b"relu"}
    return dense(weight, **{"neuron": neuron, **more})


def settled(x: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray, int]]) -> np.ndarray:
    """lava-nc's fixed-point sigma-delta layers on an input that stays, until nothing changes; all in 1/64.

    This simulation gives the nine recorded outputs of lava-dl 0.6.0's own PilotNet file (pilotnet_sdnn).
    """
    states = [{"sigma": np.zeros(len(w), np.int64), "act": 0, "rest": 0} for w, _, _ in layers]
    total = np.zeros(len(layers[-1][0]), np.int64)
    messages: list[Any] = [x * 64] + [np.zeros(len(w), np.int64) for w, _, _ in layers]
    for _ in range(3 * len(layers)):
        sent = [np.zeros_like(x)]
        for (weight, bias, threshold), state, message in zip(layers, states, messages):
            state["sigma"] = state["sigma"] + weight @ message
            act = np.maximum(state["sigma"] + bias * 4096, 0)
            delta = act - state["act"] + state["rest"]
            out = np.where(np.abs(delta) >= threshold * 4096, delta, 0)
            state["act"], state["rest"] = act, delta - out
            sent.append(out >> 6)
        messages = sent
        total = total + sent[-1]
    return total


@pytest.mark.parametrize("threshold", [0, 2])
def test_sigma_delta_layers_are_layers_with_relu(threshold: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    encoder = {"type": b"input", "shape": np.array([20]),
               "neuron": {"type": b"SDNN", "vThMant": 0, "activation": b"relu"}}  # fmt: skip
    weights = [rng.integers(-60, 90, shape) for shape in ((16, 20), (12, 16), (4, 12))]
    biases = [rng.integers(-20, 20, len(w)) for w in weights]
    made = [sigma_delta(w, threshold, bias=b.astype(np.float32)) for w, b in zip(weights, biases)]
    said = options(steps=None, readout=None)
    module = read_lava(written(tmp_path, encoder, *made), said)
    assert module.net.inputs[0].type.steps is None and len(said.notes) == (1 if threshold else 0)
    x = rng.integers(0, 64, (20, 20))
    got = next(iter(run(module, x.astype(np.float32)).values()))
    layers = list(zip(weights, biases, [threshold] * 3))
    wanted = np.array([settled(one, layers) for one in x]) / 64
    assert 0 < (wanted == 0).mean() < 1
    assert np.abs(got - wanted).max() <= (0.5 if threshold == 0 else 8)
    assert np.abs(got - wanted).mean() < 0.01 * wanted.max()


def test_sigma_outputs_are_sums(tmp_path: Path) -> None:
    weight = np.array([[64, -128], [32, 0]])
    last = {"type": b"SDNN", "vThMant": 0, "activation": b"relu", "sigma_output": True}
    path = written(tmp_path, sigma_delta(np.eye(2) * 64), sigma_delta(weight, neuron=last))
    module = read_lava(path, options(steps=None, readout=None))
    np.testing.assert_allclose(next(iter(run(module, np.array([[3, 2]], np.float32)).values())), [[-1, 1.5]])
