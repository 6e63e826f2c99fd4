# SPDX-License-Identifier: Apache-2.0
"""Small good inputs of every kind, and the command lines that read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import onnx
from attrs import frozen
from onnx import TensorProto, helper, numpy_helper

T = ["--steps", "8", "--readout", "count", "--host", "allow"]
RNG = np.random.default_rng(7)


def _f4(*shape: int) -> Any:
    return RNG.normal(0, 1, shape).astype(np.float32)


@frozen
class Kind:
    """A kind of input. name: of the damaged file; make: writes it and what stands beside it; commands: on it."""

    name: str
    make: Callable[[Path], None]
    commands: tuple[tuple[str, ...], ...]


def _tree(group: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            _tree(group.create_group(key), value)
        else:
            group[key] = value


CUBA = {"type": b"CUBA", "iDecay": 1024, "vDecay": 128, "vThMant": 80, "refDelay": 1}


def lava(folder: Path) -> None:
    """An input layer, a convolution, a pool, and dense layers, one with its own spikes back."""
    window = {"stride": np.array([1, 1]), "padding": np.array([1, 1]), "dilation": np.array([1, 1]), "groups": 1}
    layers: list[dict[str, Any]] = [
        {"type": b"input", "shape": np.array([2, 6, 6]), "weight": 64, "bias": 0, "neuron": CUBA},
        {"type": b"conv", "shape": np.array([3, 6, 6]), "weight": _f4(3, 2, 3, 3, 1) * 30, "neuron": CUBA, **window},
        {"type": b"pool", "kernelSize": np.array([2, 2]), "weight": np.full((1, 1, 2, 2, 1), 40.0), "neuron": CUBA,
         **window, "stride": np.array([2, 2]), "padding": np.array([0, 0])},
        {"type": b"flatten", "shape": np.array([27])},
        {"type": b"dense_rec", "shape": np.array([5]), "weight": _f4(5, 27) * 30, "weight_rec": _f4(5, 5) * 30,
         "neuron": CUBA, "bias": _f4(5)},
        {"type": b"dense", "shape": np.array([4]), "outFeatures": 4, "weight": _f4(4, 5) * 30, "neuron": CUBA},
    ]  # fmt: skip
    with h5py.File(folder / "n.net", "w") as file:
        _tree(file, {"layer": {str(n): layer for n, layer in enumerate(layers)}, "simulation": {"tSample": 8}})


def nir(folder: Path) -> None:
    """A convolution, a pool, dense layers, neurons of three kinds."""

    def many(n: Any, **values: float) -> dict[str, Any]:
        return {key: np.full(n, value) for key, value in values.items()}

    nodes: dict[str, dict[str, Any]] = {
        "in": {"type": "Input", "shape": np.array([1, 8, 8])},
        "c": {"type": "Conv2d", "weight": _f4(2, 1, 3, 3), "bias": _f4(2), "stride": np.array([1, 1]), "groups": 1,
              "padding": np.array([1, 1]), "dilation": np.array([1, 1])},
        "if": {"type": "IF", **many((2, 8, 8), r=1, v_threshold=1, v_reset=0)},
        "p": {"type": "SumPool2d", "kernel_size": np.array([2, 2]), "stride": np.array([2, 2]),
              "padding": np.array([0, 0])},
        "fl": {"type": "Flatten", "start_dim": 0, "end_dim": -1},
        "fc": {"type": "Affine", "weight": _f4(3, 32), "bias": _f4(3)},
        "lif": {"type": "LIF", **many(3, tau=0.002, r=1, v_leak=0, v_threshold=1, v_reset=0)},
        "f2": {"type": "Linear", "weight": _f4(3, 3)},
        "cu": {"type": "CubaLIF", **many(3, tau_syn=0.002, tau_mem=0.002, r=1, v_leak=0, v_threshold=1, w_in=1)},
        "out": {"type": "Output", "shape": np.array([3])},
    }  # fmt: skip
    names = list(nodes)
    with h5py.File(folder / "n.nir", "w") as file:
        _tree(file, {"node": {"type": "NIRGraph", "nodes": nodes}, "version": "1.0"})
        file["node"].create_dataset("edges", data=list(zip(names, names[1:])), dtype=h5py.string_dtype())  # noqa: RUF007


def _state() -> dict[str, Any]:
    return {
        "fc1.weight": _f4(12, 20), "fc1.bias": _f4(12), "lif1.beta": np.float32(0.9), "lif1.threshold": np.float32(1),
        "lif1.graded_spikes_factor": np.float32(1), "lif1.reset_mechanism_val": np.int64(0),
        "fc2.weight": _f4(4, 12), "fc2.bias": _f4(4), "lif2.beta": np.float32(0.8), "lif2.threshold": np.float32(1),
        "lif2.graded_spikes_factor": np.float32(1), "lif2.reset_mechanism_val": np.int64(1),
    }  # fmt: skip


def weights(folder: Path) -> None:
    """A state_dict of snnTorch."""
    import torch

    torch.save({key: torch.from_numpy(np.array(value)) for key, value in _state().items()}, folder / "n.pt")


def safetensors(folder: Path) -> None:
    """The same as .safetensors."""
    from safetensors.numpy import save

    (folder / "n.safetensors").write_bytes(save({k: np.ascontiguousarray(v) for k, v in _state().items()}))


def bindsnet(folder: Path) -> None:
    """A state_dict of BindsNET."""
    import torch

    held = {
        "X.s": torch.zeros(1, 6), "Y.s": torch.zeros(1, 4), "X_to_Y.w": torch.rand(6, 4),
        "Y.thresh": torch.tensor(-52.0), "Y.rest": torch.tensor(-65.0), "Y.reset": torch.tensor(-65.0),
        "Y.refrac": torch.tensor(5.0),
        "Y.tc_decay": torch.tensor(100.0),
    }  # fmt: skip
    torch.save(held, folder / "n.pt")


TOML = """input = [1, 6, 6]

[[layer]]
name = "fc1"
type = "flatten"

[[layer]]
name = "fc1"
type = "dense"

[[layer]]
name = "lif1"
type = "neuron"
reset_delay = false
beta = 0.9
threshold = [1.0, 2.0, 1.5]
"""


def toml(folder: Path) -> None:
    """A topology and its weights."""
    import torch

    torch.save({"fc1.weight": torch.rand(3, 36)}, folder / "n.pt")
    (folder / "t.toml").write_text(TOML)


def model() -> onnx.ModelProto:
    """A convolution, pools, a branch, shapes that are computed, a dense layer."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], group=1),
        node("BatchNormalization", ["c", "s", "b", "b", "v"], ["n"], "bn", epsilon=1e-5),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Add", ["m", "one"], ["a"]),
        node("Shape", ["a"], ["h"]),
        node("Gather", ["h", "zero"], ["g"], axis=0),
        node("Concat", ["g", "rest"], ["k"], axis=0),
        node("Reshape", ["a", "k"], ["f"]),
        node("Gemm", ["f", "w2", "b2"], ["y"], "fc", transB=1),
    ]  # fmt: skip
    arrays = {
        "w": _f4(4, 1, 3, 3), "b": _f4(4), "s": np.ones(4, np.float32), "v": np.ones(4, np.float32),
        "one": np.ones((1, 4, 1, 1), np.float32), "zero": np.array([0]), "rest": np.array([64]), "w2": _f4(3, 64),
        "b2": _f4(3),
    }  # fmt: skip
    ends = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 8, 8]), ("y", None)))
    first, last = ends
    graph = helper.make_graph(nodes, "g", [first], [last], [numpy_helper.from_array(a, n) for n, a in arrays.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_file(folder: Path) -> None:
    """The model above."""
    onnx.save(model(), str(folder / "n.onnx"))


def samples(folder: Path) -> None:
    """A model and samples for its calibration."""
    onnx_file(folder)
    np.savez(folder / "s.npz", x=RNG.random((8, 1, 8, 8)).astype(np.float32), labels=np.arange(8) % 3)


def text(folder: Path) -> None:
    """A lowered text and inputs for it."""
    import akc

    onnx_file(folder)
    module = akc.lower(str(folder / "n.onnx"), input_range=(0, 1), check="off")
    (folder / "n.akir").write_text(akc.print_module(module))
    np.save(folder / "x.npy", RNG.random((2, 1, 8, 8)).astype(np.float32))


def built(folder: Path) -> None:
    """A built network, as .akd, as program and as .fbz."""
    import akc
    from akc.fbz import write

    text(folder)
    program = akc.build((folder / "n.akir").read_text(), check="off")
    program.save(folder / "n.akd")
    (folder / "n.bin").write_bytes(program.sequences[0].bytes)
    (folder / "n.fbz").write_bytes(write(program.module))


LOWER = ("lower", "-o", "o.akir")
KINDS: dict[str, Kind] = {
    "lava": Kind("n.net", lava, ((*LOWER, "n.net", *T), (*LOWER, "n.net", "--spikes", "rate", *T))),
    "nir": Kind("n.nir", nir, ((*LOWER, "n.nir", "--producer", "norse", *T), (*LOWER, "n.nir", *T))),
    "pt": Kind("n.pt", weights, ((*LOWER, "n.pt", *T), (*LOWER, "n.pt", "--topology", "20-12-4", *T))),
    "safetensors": Kind("n.safetensors", safetensors, ((*LOWER, "n.safetensors", *T),)),
    "bindsnet": Kind("n.pt", bindsnet, ((*LOWER, "n.pt", *T),)),
    "toml": Kind("t.toml", toml, ((*LOWER, "n.pt", "--topology", "t.toml", *T),)),
    "onnx": Kind("n.onnx", onnx_file, ((*LOWER, "n.onnx", "--input-range", "0,1", "--host", "allow"),
                                        (*LOWER, "n.onnx"))),
    "samples": Kind("s.npz", samples, ((*LOWER, "n.onnx", "--calibrate", "s.npz"),)),
    "akir": Kind("n.akir", text, (("check", "n.akir"), ("build", "n.akir", "-o", "o.akd"))),
    "akd": Kind("n.akd", built, (("run", "n.akd", "-i", "x.npy", "-o", "o.npy", "--on", "emulator"),
                                 ("report", "n.akd"))),
    "program": Kind("n.bin", built, (("disasm", "n.bin", "-o", "o.txt"), (*LOWER, "n.bin"))),
    "fbz": Kind("n.fbz", built, ((*LOWER, "n.fbz"),)),
}  # fmt: skip


def made(kind: str, folder: Path) -> dict[str, bytes]:
    """The files of a kind."""
    import torch

    global RNG
    RNG = np.random.default_rng(7)  # the same seeds whatever was made before
    torch.manual_seed(7)
    folder.mkdir(parents=True, exist_ok=True)
    KINDS[kind].make(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def command_of(kind: str, rng: Random) -> tuple[str, ...]:
    """One of the command lines of a kind; half of those that lower do not run passes and proofs."""
    argv = rng.choice(KINDS[kind].commands)
    return (*argv, "--check", "off") if argv[0] == "lower" and rng.random() < 0.5 else argv
