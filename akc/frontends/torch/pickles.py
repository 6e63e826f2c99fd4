# SPDX-License-Identifier: Apache-2.0
"""PyTorch files without running anything in them: weight files, and whole objects as inert bags of attributes.

A pickle can name any function and have it called. Here every name but a few that rebuild tensors stands
for an inert class, and a name from outside torch, its containers and the expected package is refused
before anything is made of it.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from akc.base.diagnostics import DiagnosticError, error
from akc.base.files import read_bytes

HARMLESS = {("collections", "OrderedDict"), ("builtins", "set"), ("__builtin__", "set"), ("torch", "Size")}
"""Plain containers that are made for real."""

REBUILDERS = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.serialization", "_get_layout"),
}
"""Functions that make tensors of bytes and numbers, and what they take, and do nothing else."""

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
                self.__dict__.update(part)

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or a parameter, buffer or submodule of this name."""
        for place in ("", "_buffers", "_parameters", "_modules"):
            found = self.__dict__ if not place else self.__dict__.get(place) or {}
            if name in found:
                return found[name]
        return default

    @property
    def kind(self) -> str:
        """The name of the class, without its module."""
        return type(self).class_name.rpartition(".")[2]


class _Safe(pickle.Unpickler):
    """An unpickler whose find_class never imports."""

    packages: tuple[str, ...] = ()

    def find_class(self, module_name: str, global_name: str) -> Any:
        """A rebuilding function of torch, a storage type, or an inert class; refuses the rest."""
        import torch

        key = (module_name, global_name)
        if key in HARMLESS or key in REBUILDERS:
            plain = {"OrderedDict": OrderedDict, "set": set, "Size": torch.Size}
            owner = torch.serialization if module_name == "torch.serialization" else torch._utils
            return plain.get(global_name) or getattr(owner, global_name)
        if module_name in ("torch", "torch.storage") and (
            global_name.endswith("Storage") or isinstance(getattr(torch, global_name, None), torch.dtype)
        ):
            return getattr(torch, global_name, None) or getattr(torch.storage, global_name)
        if key in INERT or module_name.split(".")[0] in ("torch", *self.packages):
            return type(global_name, (Bag,), {"class_name": f"{module_name}.{global_name}"})
        raise _Forbidden(f"{module_name}.{global_name}")


class _Forbidden(pickle.UnpicklingError):
    """A name that a file of tensors has no use for."""


class _PickleModule:
    """What torch.load asks of a pickle module, for objects of some packages."""

    def __init__(self, *packages: str) -> None:
        self.__name__ = "akc.frontends.torch.pickles"
        self.Unpickler = type("Unpickler", (_Safe,), {"packages": packages})
        self.UnpicklingError = pickle.UnpicklingError

    def load(self, file: IO[bytes], **keywords: Any) -> Any:
        """The root object of one pickle."""
        return self.Unpickler(file, **keywords).load()


def read_objects(path: str, *packages: str) -> Any:
    """The root of a PyTorch file; objects of `packages` and of torch are Bags.

    Raises DiagnosticError AKC0382 for a file that names anything else, and AKC0389 for one that is no
    PyTorch file.
    """
    import torch

    read_bytes(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_PickleModule(*packages))
    except _Forbidden as fault:
        raise error(
            "AKC0382",
            f"{Path(path).name} names {fault}, which a network has no use for and which could run code",
            help="save the weights alone: torch.save(model.state_dict(), path)",
        ) from None
    except DiagnosticError:
        raise
    except Exception as fault:
        raise error("AKC0389", f"{Path(path).name} is no PyTorch file: {_first_line(fault)}") from None


def read_weights(path: str) -> dict[str, Any] | None:
    """Tensors by name from a .pt file that holds nothing but tensors and plain values; None for other files.

    A checkpoint with a state_dict inside gives that.
    """
    import torch

    read_bytes(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = isinstance(found, dict) and any(hasattr(v, "detach") for v in found.values())
    return dict(found) if tensors else None


def _first_line(fault: Exception) -> str:
    return next((line for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
