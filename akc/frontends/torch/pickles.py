# SPDX-License-Identifier: Apache-2.0
"""PyTorch files without torch and without running anything in them: arrays, plain values, inert bags of attributes.

A pickle can name any function and have it called. Here every name but a few that rebuild tensors stands for an inert
class, and a name from outside torch, its containers and the expected package is refused before anything is made of it.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from akc.base.budget import promise
from akc.base.diagnostics import DiagnosticError, error
from akc.base.files import read_bytes
from akc.frontends.torch.archives import ELEMENTS, UNPICKLING, BadFile, Storage, Tensors, open_archive, size_of

HARMLESS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch", "Size"): tuple,
}
"""Plain containers that are made for real."""

INERT = {("builtins", "getattr"), ("__builtin__", "getattr"), ("builtins", "object"), ("__builtin__", "object"),
         ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor")}  # fmt: skip
"""Names that objects of modules need, and that become bags: nothing is looked up or called."""


class Bag:
    """An object of a class that is not loaded: its name, its attributes, the arguments it was made with."""

    class_name = ""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.__dict__.update({key: value for key, value in part.items() if isinstance(key, str)})

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or a parameter, buffer or submodule of this name."""
        return self.attributes().get(name, default)

    def attributes(self) -> dict[str, Any]:
        """All attributes, buffers, parameters and submodules; the first of a name counts."""
        found: dict[str, Any] = {}
        for place in ("_modules", "_parameters", "_buffers", ""):
            inner = self.__dict__.get(place) if place else self.__dict__
            if isinstance(inner, dict):
                found.update({key: value for key, value in inner.items() if isinstance(key, str)})
        return found

    @property
    def kind(self) -> str:
        """The name of the class, without its module."""
        return type(self).class_name.rpartition(".")[2]


class _Forbidden(pickle.UnpicklingError):
    """A name that a file of tensors has no use for."""


class _Name(str):
    """A dtype, a layout or a class of storages, by its name."""


class _Safe(pickle.Unpickler):
    """An unpickler whose find_class never imports."""

    def __init__(self, data: bytes, packages: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.packages, self.tensors, self.storages = packages, None, {}
        self.rebuilders = {
            "_rebuild_tensor": self._tensor,
            "_rebuild_tensor_v2": self._tensor,
            "_rebuild_tensor_v3": self._tensor_v3,
            "_rebuild_parameter": lambda data, *rest: data,
            "_rebuild_sparse_tensor": self._sparse,
        }

    tensors: Tensors | None
    """What makes arrays; without it, tensors are None and only the storages are noted."""
    storages: dict[str, int]

    def find_class(self, module_name: str, global_name: str) -> Any:
        """What rebuilds a tensor, the name of a dtype or storage, or an inert class; refuses the rest."""
        key = (module_name, global_name)
        if key in HARMLESS:
            return HARMLESS[key]
        if module_name == "torch._utils" and global_name in self.rebuilders:
            return self.rebuilders[global_name]
        if key == ("torch.serialization", "_get_layout"):
            return _Name
        if module_name in ("torch", "torch.storage") and (global_name.endswith("Storage") or global_name in ELEMENTS):
            return _Name(global_name)
        if key in INERT or module_name.split(".")[0] in ("torch", *self.packages):
            return type(global_name, (Bag,), {"class_name": f"{module_name}.{global_name}"})
        raise _Forbidden(f"{module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> Storage:
        """("storage", class, key, device, count): a storage, none of whose bytes is read yet."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            raise BadFile("it names a storage in a way that torch does not")
        _, kind, key, _, count = pid[:5]
        if not isinstance(kind, _Name) or not isinstance(key, str | int) or type(count) is not int or count < 0:
            raise BadFile("a storage has no kind or no length")
        storage = Storage(str(key), str(kind), count)
        if self.tensors is None:
            self.storages[storage.key] = size_of(storage)
        return storage

    def _tensor(self, storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Any:
        return self._array(storage, offset, shape, stride, "")

    def _array(self, storage: Any, offset: Any, shape: Any, stride: Any, element: str) -> Any:
        if not isinstance(storage, Storage):
            raise BadFile("a tensor has no storage")
        return None if self.tensors is None else self.tensors.array(storage, offset, shape, stride, element)

    def _tensor_v3(self, storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Any:
        element = rest[2] if len(rest) > 2 else ""
        if not isinstance(element, _Name):
            raise BadFile(f"it holds numbers of the kind {getattr(element, 'class_name', element)}")
        return self._array(storage, offset, shape, stride, str(element))

    def _sparse(self, layout: Any, data: Any) -> Any:
        """A tensor of coordinates [axes, n] and values [n], made dense."""
        if self.tensors is None:
            return None
        if layout != "torch.sparse_coo" or not isinstance(data, tuple) or len(data) < 3:
            raise BadFile(f"it holds a tensor with the layout {layout}; save it dense, or as sparse_coo")
        indices, values, shape = data[:3]
        good = isinstance(indices, np.ndarray) and isinstance(values, np.ndarray) and isinstance(shape, tuple)
        good = good and all(type(n) is int and 0 <= n < 1 << 40 for n in shape) and len(shape) <= 16
        if not good or indices.shape != (len(shape), len(values)) or values.ndim != 1 or indices.dtype.kind not in "iu":
            raise BadFile("a sparse tensor has an impossible shape")
        limits = np.asarray(shape, np.int64)[:, None]
        if indices.size and ((indices < 0) | (indices >= limits)).any():
            raise BadFile("a sparse tensor has numbers outside of itself")
        promise(int(np.prod(shape, dtype=object)) * values.itemsize, f"a sparse tensor {list(shape)}, made dense,")
        dense = np.zeros(shape, values.dtype)
        np.add.at(dense, tuple(indices), values)
        return dense


def read_objects(path: str, *packages: str) -> Any:
    """The root of a PyTorch file; tensors are numpy arrays, objects of `packages` and of torch are Bags.

    bfloat16 becomes float32. Raises DiagnosticError AKC0382 for a file that names anything else, AKC0389 for one
    that is no PyTorch file or damaged, AKC0956 for one that asks for more than the budget.
    """
    name = Path(path).name
    data = read_bytes(path)
    try:
        archive = open_archive(data, name, lambda part: _Safe(part, ()).load(), partial(_storages, packages))
        unpickler = _Safe(archive.pickle, packages)
        unpickler.tensors = Tensors(archive, name)
        return unpickler.load()
    except _Forbidden as fault:
        raise error(
            "AKC0382",
            f"{name} names {fault}, which a network has no use for and which could run code",
            help="save the weights alone: torch.save(model.state_dict(), path)",
        ) from None
    except DiagnosticError:
        raise
    except UNPICKLING as fault:
        help = "save it again: torch.save(model.state_dict(), path)"
        raise error("AKC0389", f"{name} is no PyTorch file: {_first_line(fault)}", help=help) from None


def _storages(packages: tuple[str, ...], part: bytes) -> dict[str, int]:
    """Bytes of each storage that a pickle names."""
    unpickler = _Safe(part, packages)
    unpickler.load()
    return unpickler.storages


CHECKPOINTS = ("state_dict", "model_state_dict", "model", "net")


def weights_of(root: Any) -> dict[str, Any] | None:
    """Arrays and other values by name, where the root of a file is a state_dict; None for other roots.

    A checkpoint with a state_dict inside gives that.
    """
    for key in CHECKPOINTS:
        if isinstance(root, dict) and isinstance(root.get(key), dict):
            root = root[key]
    arrays = isinstance(root, dict) and any(isinstance(value, np.ndarray) for value in root.values())
    return dict(root) if arrays else None


def _first_line(fault: BaseException) -> str:
    return next((line for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
