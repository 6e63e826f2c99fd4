# SPDX-License-Identifier: Apache-2.0
"""Damage of every kind of file: where its structure is known, in its fields; else in its bytes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np
import onnx

ODD: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 255, 4096, 4097, 65536, 2**31 - 1, 2**31, -(2**31), 2**40, 0.5, -0.5, 1e-30, 1e20, 3.3e38, -3.3e38,
    float("inf"), float("-inf"), float("nan"), b"", b"dense", b"conv", b"\xff\xfe", "a\0b", "x" * 3000,
)  # fmt: skip
SHAPES = ((), (1,), (2,), (3,), (0,), (4, 3), (1, 1), (3, 2, 1), (2, 2, 3, 3), (1, 1, 1, 1, 1))


def odd(rng: Random) -> Any:
    """A number, a text, or an array of odd numbers or an odd shape."""
    if rng.random() < 0.6:
        return rng.choice([value for value in ODD if not (isinstance(value, str) and "\0" in value)])
    filled = rng.choice((0.0, 1.0, -1.0, 3e38, float("nan"), float("inf"), 7.5))
    kind = rng.choice(("f4", "f8", "i8", "u1", "i4", "?", "f2"))
    with np.errstate(all="ignore"):
        return np.full(rng.choice(SHAPES), filled).astype(kind)


def in_bytes(data: bytes, rng: Random) -> bytes:
    """A few bytes changed, cut away, doubled or put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) + 1) if out else 0
        what = rng.randrange(6)
        if what == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif what == 1 and out:
            out[at % len(out)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif what == 2:
            del out[at : at + rng.choice((1, 2, 8, 64))]
        elif what == 3:
            out[at:at] = out[at : at + rng.choice((1, 4, 32))]
        elif what == 4:
            out[at : at + 4] = rng.choice((0, 1, 2**31, 2**32 - 1, rng.randrange(2**32))).to_bytes(4, "little")
        else:
            out[at:] = b"" if rng.random() < 0.3 else out[at:]
    return bytes(out)


def in_hdf5(data: bytes, rng: Random) -> bytes:
    """A dataset or group that holds something else, is gone, is a bomb, or leads elsewhere."""
    if rng.random() < 0.15:
        return in_bytes(data, rng)
    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(rng.choice((1, 1, 2, 3))):
            path = rng.choice(names)
            if not _there(file, path):
                continue
            _at(file, path, rng.choice(names), rng)
    return stream.getvalue()


def _there(file: Any, path: str) -> bool:
    try:
        return path in file
    except RuntimeError:  # a link that was put in before leads round in a circle
        return False


def _at(file: Any, path: str, other: str, rng: Random) -> None:
    what = rng.randrange(9)
    if what < 5:
        del file[path]
        file[path] = odd(rng)
    elif what == 5:
        del file[path]
    elif what == 6:
        del file[path]
        file.create_dataset(path, shape=(rng.choice((10**9, 10**7)), 3), dtype="f4", chunks=(4096, 3))
    elif what == 7 and _there(file, other) and not path.startswith(other):
        del file[path]
        file[path] = file[other] if rng.random() < 0.5 and _there(file, other) else h5py.SoftLink(f"/{other}")
    else:
        del file[path]
        file[path] = h5py.ExternalLink("other.h5", "/x")


def in_onnx(data: bytes, rng: Random) -> bytes:
    """A field of the model changed, doubled, moved or gone."""
    if rng.random() < 0.1:
        return in_bytes(data, rng)
    model = onnx.ModelProto()
    model.ParseFromString(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _in_message(model, rng, 0)
    return bytes(model.SerializeToString())


def _in_message(message: Any, rng: Random, depth: int) -> None:
    fields = [field for field, _ in message.ListFields()]
    if not fields:
        return
    field = rng.choice(fields)
    value = getattr(message, field.name)
    if field.message_type is not None and hasattr(value, "ListFields") and not hasattr(value, "append"):
        _in_message(value, rng, depth + 1)
    elif field.message_type is not None:
        index = rng.randrange(len(value))
        what = rng.randrange(8)
        if what < 5:
            _in_message(value[index], rng, depth + 1)
        elif what == 5:
            del value[index]
        elif what == 6:
            value.add().CopyFrom(value[index])
        elif len(value) > 1:
            other = type(value[0])()
            other.CopyFrom(value[rng.randrange(len(value))])
            value[index].CopyFrom(other)
    else:
        _scalar(message, field, value, rng)


def _scalar(message: Any, field: Any, value: Any, rng: Random) -> None:
    repeated = hasattr(value, "append")
    given = list(value) if repeated else [value]
    if repeated and rng.random() < 0.3:
        del value[rng.randrange(len(value)) :]
        return
    new: Any
    if isinstance(given[0], str):
        new = rng.choice(
            ("", "x", "w", "c", "Conv", "Relu", "Gemm", "Loop", "If", "LSTM", "a\0b", "y", "Expand", "Tile")
        )
    elif isinstance(given[0], bytes):
        new = in_bytes(given[0], rng)
    elif isinstance(given[0], float):
        new = rng.choice((0.0, -1.0, 1e20, 3e38, float("nan"), float("inf")))
    else:
        new = rng.choice((0, 1, 2, 3, 7, 8, 10, 16, -1, 64, 99, 4096, 2**31 - 1, 2**20))
    try:
        if repeated:
            value[rng.randrange(len(value))] = new
        else:
            setattr(message, field.name, new)
    except (ValueError, TypeError):
        return


def in_tensors(data: bytes, rng: Random) -> bytes:
    """A tensor of a state_dict of another shape or kind, with other numbers, or under another name."""
    import torch

    if rng.random() < 0.3:
        return _in_zip(data, rng)
    held = torch.load(io.BytesIO(data), weights_only=True)
    for _ in range(rng.choice((1, 1, 2))):
        key = rng.choice(list(held))
        held[rng.choice((key, key, key, 3, "a\0b", "lif1.V", "lif1.alpha", "X_to_Y.b", "Y.theta"))] = _tensor(
            held[key], rng
        )
        if rng.random() < 0.2:
            held.pop(key, None)
    stream = io.BytesIO()
    torch.save(held, stream, _use_new_zipfile_serialization=rng.random() < 0.8)
    return stream.getvalue()


def _tensor(tensor: Any, rng: Random) -> Any:
    import torch

    value = odd(rng)
    made: list[Callable[[], Any]] = [
        lambda: torch.tensor(np.asarray(value)) if not isinstance(value, bytes | str) else value,
        lambda: tensor.to(rng.choice((torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool))),
        lambda: tensor.reshape(-1),
        lambda: tensor[..., :1],
        lambda: torch.zeros(1).expand(rng.choice((10, 10**6, 2 * 10**9))),
        lambda: tensor.to("meta"),
        lambda: tensor.to_sparse(),
        lambda: torch.full_like(tensor.float(), rng.choice((1e20, 3e38, float("nan"), float("inf"), 0.0))),
        lambda: tensor.t() if tensor.ndim == 2 else tensor.to(torch.complex64),
        lambda: [1, 2, {"a": tensor}],
    ]
    try:
        return rng.choice(made)()
    except (RuntimeError, IndexError, TypeError, ValueError, AttributeError):  # a value changed before, of another kind
        return tensor


def _in_zip(data: bytes, rng: Random) -> bytes:
    """A member of an archive changed, its digest in meta.json mended where there is one."""
    if rng.random() < 0.3:
        return in_bytes(data, rng)
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    what = rng.randrange(6)
    if what < 4:
        members[name] = in_bytes(members[name], rng)
    elif what == 4:
        del members[name]
    else:
        members[f"{name}2"] = b"0" * rng.choice((1, 10, 10**6))
    if "meta.json" in members and rng.random() < 0.9:
        members["meta.json"] = _signed(members, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(
        stream, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2))
    ) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return stream.getvalue()


def _signed(members: dict[str, bytes], rng: Random) -> bytes:
    try:
        meta = json.loads(members["meta.json"])
    except ValueError:
        return members["meta.json"]
    if not isinstance(meta, dict):
        return members["meta.json"]
    meta["sha256"] = {n: hashlib.sha256(d).hexdigest() for n, d in members.items() if n != "meta.json"}
    if rng.random() < 0.2:
        meta[rng.choice(list(meta))] = rng.choice(({}, [], None, 3, "x", [1, 2], ["s0", "s1"]))
    return json.dumps(meta).encode()


WORDS = ("inf", "nan", "-1", "0", "1e39", "9" * 5000, "x", '"x"', "[", "]", "[[", "{", "}", "=", ",", ":", "%x",
         "#w", "@s", "1000000000", "f32[1000000000]", "T=100000", "true", "none", "\0", "\u2028", "\\",
         '"', "\n", "//")  # fmt: skip


def in_text(data: bytes, rng: Random) -> bytes:
    """Words of a text changed, doubled, moved or gone."""
    if rng.random() < 0.2:
        return in_bytes(data, rng)
    parts = data.decode("utf-8", "replace").split(" ")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        what = rng.randrange(5)
        if what < 2:
            parts[at] = rng.choice(WORDS)
        elif what == 2:
            parts[at] = parts[other]
        elif what == 3:
            parts.insert(at, rng.choice(WORDS))
        else:
            del parts[at]
            parts = parts or ["x"]
    return " ".join(parts).encode("utf-8", "replace")


def in_arrays(data: bytes, rng: Random) -> bytes:
    """The arrays of a .npz of another shape or kind, a header that claims more, bytes."""
    if rng.random() < 0.4:
        return _in_zip(data, rng)
    arrays = dict(np.load(io.BytesIO(data)))
    key = rng.choice(list(arrays))
    value = odd(rng)
    with np.errstate(all="ignore"):
        shaped: Any = np.full(
            arrays["x"].shape, rng.choice((3e38, float("nan"), float("inf"), -1e30, 1e31)), np.float32
        )
    arrays[rng.choice((key, "x", "y"))] = rng.choice(
        (np.asarray(value), arrays[key][:0], arrays[key].astype("f2"), shaped)
    )
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    if rng.random() < 0.5:
        return stream.getvalue()
    single = io.BytesIO()
    np.save(single, arrays["x"])
    return single.getvalue().replace(b"(8,", rng.choice((b"(8,", b"(99999999999,", b"(-8,", b"('a',")), 1)


MUTATORS: dict[str, Callable[[bytes, Random], bytes]] = {
    "lava": in_hdf5, "nir": in_hdf5, "pt": in_tensors, "bindsnet": in_tensors, "safetensors": in_bytes, "toml": in_text,
    "onnx": in_onnx, "samples": in_arrays, "akir": in_text, "akd": _in_zip, "program": in_bytes, "fbz": in_bytes,
}  # fmt: skip
