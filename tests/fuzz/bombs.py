# SPDX-License-Identifier: Apache-2.0
"""Small files that claim, or unfold to, far more than they hold: each is answered, in little memory.

python -m tests.fuzz bombs
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import cramjam
import h5py
import numpy as np
import onnx
from attrs import frozen
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz import harness
from tests.fuzz.seeds import LOWER, T, bindsnet, lava, nir, onnx_file

LONG = 20_000
"""Operations in a chain."""
MOST_MIB = 300
"""What a command may take at its peak, with everything imported: what a bomb asks for is more."""


@frozen
class Bomb:
    """A file and the command on it. code: how it ends; words: what the user is told."""

    make: Callable[[Path], None]
    argv: tuple[str, ...]
    code: int = 1
    words: str = "AKC0956"


def _model(folder: Path, nodes: list[onnx.NodeProto], **arrays: np.ndarray) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in ("x", "y")]
    held = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "n.onnx").write_bytes(model.SerializeToString())


def _grown(op: str, **arrays: np.ndarray) -> Callable[[Path], None]:
    """A model that adds the sum of three billion bytes, made by one operator of small constants."""

    def make(folder: Path) -> None:
        nodes = [
            helper.make_node(op, list(arrays), ["large"]),
            helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["y"]),
        ]
        _model(folder, nodes, **arrays)

    return make


def _chain(folder: Path) -> None:
    names = ["x", *(f"r{n}" for n in range(1, LONG)), "y"]
    _model(folder, [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)])


def _text(body: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "n.akir").write_text(body) and None


TEXT, HUGE = "akir 1.0\n\nnet @m(", "f32[1000000000]"


def _chain_text() -> str:
    lines = [f"  %a{n + 1} = nn.relu(%a{n}) : f32[8]" for n in range(LONG)]
    return "\n".join([f"{TEXT}%a0: f32[8]) -> f32[8] {{", *lines, f"  return %a{LONG}", "}", ""])


def _hdf5(name: str, make: Callable[[Path], None], path: str) -> Callable[[Path], None]:
    """A file in which one dataset claims four billion bytes that nobody wrote."""

    def bomb(folder: Path) -> None:
        make(folder)
        with h5py.File(folder / name, "r+") as file:
            del file[path]
            file.create_dataset(path, shape=(10**9,), dtype="f4", chunks=(4096,))

    return bomb


def _header(folder: Path) -> None:
    onnx_file(folder)
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (200000000000, 1), }"
    head += b" " * (117 - len(head)) + b"\n"
    (folder / "s.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)


def _samples(method: int, claimed: int | None) -> Callable[[Path], None]:
    """A .npz whose member unfolds to more than a GiB of zeros; claimed: what the list of the archive says instead."""

    def make(folder: Path) -> None:
        onnx_file(folder)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive, archive.open("x.npy", "w") as member:
            for _ in range(72 if claimed is None else 24):
                member.write(bytes(1 << 24))
        data = bytearray(stream.getvalue())
        if claimed is not None:
            at = data.rindex(b"PK\x01\x02")
            data[at + 24 : at + 28] = claimed.to_bytes(4, "little")
        (folder / "s.npz").write_bytes(data)

    return make


def _program(folder: Path) -> None:
    """A .akd with a member that nothing lists."""
    with zipfile.ZipFile(folder / "n.akd", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", "{}")
        with archive.open("more", "w") as member:
            for _ in range(72):
                member.write(bytes(1 << 24))


def _fbz(folder: Path) -> None:
    """The largest block of zeros that is no larger than the format allows."""
    (folder / "n.fbz").write_bytes(bytes(cramjam.snappy.compress_raw(bytes((1 << 31) - 1))))


def _connection(folder: Path) -> None:
    """A state_dict of BindsNET of a few KB: one number that claims to be a matrix of four billion bytes."""
    import torch

    bindsnet(folder)
    held = torch.load(folder / "n.pt", weights_only=True)
    held["X_to_Y.w"] = torch.zeros(1).expand(10**8, 10)
    torch.save(held, folder / "n.pt")


def _named(folder: Path) -> None:
    onnx_file(folder)
    model = onnx.load(str(folder / "n.onnx"))
    model.graph.node[0].name = "a\0b"
    onnx.save(model, str(folder / "n.onnx"))


F4, I8 = np.float32, np.int64
ONNX = (*LOWER, "n.onnx", "--input-range", "0,1", "--host", "allow")
SAMPLES = (*LOWER, "n.onnx", "--calibrate")
BOMBS: dict[str, Bomb] = {
    "Expand": Bomb(_grown("Expand", a=np.ones(1, F4), s=np.array([750_000_000], I8)), ONNX),
    "Tile": Bomb(_grown("Tile", a=np.ones(2, F4), s=np.array([375_000_000], I8)), ONNX),
    "Range": Bomb(_grown("Range", a=np.array(0, F4), b=np.array(7.5e8, F4), d=np.array(1, F4)), ONNX),
    "ConstantOfShape": Bomb(_grown("ConstantOfShape", s=np.array([750_000_000], I8)), ONNX),
    "20,000 Relu": Bomb(_chain, ONNX, 1, "run -p lower-int4 first"),
    "20,000 relu in a text, checked": Bomb(_text(_chain_text()), ("check", "n.akir"), 0, ""),
    "f32[1000000000]": Bomb(
        _text(f"{TEXT}%x: {HUGE}) -> {HUGE} {{\n  %y = nn.relu(%x) : {HUGE}\n  return %y\n}}\n"),
        (*LOWER, "n.akir", "--input-range", "0,1"),
    ),
    "number of 4,301 digits": Bomb(
        _text(f"{TEXT}%x: f32[{'9' * 4301}]) -> f32[4] {{\n  return %x\n}}\n"), ("check", "n.akir"), 1, "AKC"
    ),
    "745 GiB in a .npy header": Bomb(_header, (*SAMPLES, "s.npy"), 1, "AKC0701"),
    "lava weights": Bomb(_hdf5("n.net", lava, "layer/5/weight"), (*LOWER, "n.net", *T)),
    "NIR weights": Bomb(_hdf5("n.nir", nir, "node/nodes/fc/weight"), (*LOWER, "n.nir", *T), 1, "AKC09"),
    "BindsNET weights": Bomb(_connection, (*LOWER, "n.pt", *T)),
    "samples, deflated": Bomb(_samples(zipfile.ZIP_DEFLATED, None), (*SAMPLES, "s.npz")),
    "samples, bzip2 that claims 100 bytes": Bomb(_samples(zipfile.ZIP_BZIP2, 100), (*SAMPLES, "s.npz"), 1, "AKC0962"),
    "member that meta.json does not list": Bomb(_program, ("report", "n.akd")),
    "snappy": Bomb(_fbz, (*LOWER, "n.fbz")),
    "NUL in a layer's name": Bomb(_named, (*ONNX, "--check", "off"), 0, ""),
}  # fmt: skip


def run(name: str) -> tuple[harness.Outcome, str]:
    """How a bomb ended, and what is wrong with that ("" if nothing)."""
    bomb = BOMBS[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        making = harness.worker(lambda: int(bomb.make(folder) is not None), folder)  # what made it is not measured
        outcome = harness.command(bomb.argv, folder)
    wrong = making.wrong or outcome.wrong
    if not wrong and outcome.code != bomb.code:
        wrong = f"exit {outcome.code} in place of {bomb.code}: {outcome.stderr[-300:]}"
    if not wrong and bomb.words not in outcome.stderr:
        wrong = f"says no {bomb.words}: {outcome.stderr[-300:]}"
    return outcome, wrong or (f"{outcome.mib} MiB" if outcome.mib > MOST_MIB else "")


def bombs(names: Sequence[str] = ()) -> int:
    """Run those of some names, or all; gives how many are not answered as they must be."""
    bad = 0
    chosen = names or tuple(BOMBS)
    for name in chosen:
        outcome, wrong = run(name)
        told = "".join(sorted(set(re.findall(r"AKC\d{4}", outcome.stderr)))[:1])
        print(f"{name}: exit {outcome.code} {told}, {outcome.mib} MiB, {outcome.seconds:.1f} s", flush=True)
        if wrong:
            bad += 1
            print(f"BAD {name}: {wrong}", flush=True)
    print(f"{bad} of {len(chosen)} bombs end badly")
    return bad
