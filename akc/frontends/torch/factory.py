# SPDX-License-Identifier: Apache-2.0
"""`file.py:factory`: run a user's file and call the function that makes the model."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from akc.base.diagnostics import error
from akc.base.files import read_text
from akc.frontends.torch.users_code import in_users_code


def load_factory(spec: str, example_shape: Sequence[Any] = ()) -> tuple[Any, Any]:
    """A torch module and its example from `path/file.py:factory`.

    The factory takes no arguments and gives a module, or a pair of a module and an example. A shape given
    by the user (`example_shape`) wins over the factory's example. What stands at the top of the user's
    file runs; its folder is importable meanwhile. Raises DiagnosticError AKC0901 (no such file), AKC0309
    (the user's code raised; the place is theirs) or AKC0312 (no such factory, or it gives no module).
    """
    path, _, name = spec.rpartition(":")
    read_text(path)
    with _importable(Path(path).resolve().parent), in_users_code("AKC0309", f"{path} failed"):
        module = _run(Path(path))
    factory = getattr(module, name, None)
    if factory is None:
        raise _no_factory(path, name, vars(module))
    with _importable(Path(path).resolve().parent), in_users_code("AKC0309", f"{name}() of {path} failed"):
        made = factory() if not _is_module(factory) else factory
    network, example = made if isinstance(made, tuple) and len(made) == 2 else (made, ())
    if not _is_module(network):
        raise error(
            "AKC0312",
            f"{name} of {path} gives {_what(network)}, not a torch.nn.Module",
            help="return the module, or the module and an example input",
        )
    return network, example_shape or example


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the user's file import its neighbours while it runs."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def _run(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"akc_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _is_module(thing: Any) -> bool:
    return not isinstance(thing, type) and any(base.__module__.startswith("torch.nn") for base in type(thing).__mro__)


def _what(thing: Any) -> str:
    return (
        f"the class {thing.__name__} itself" if isinstance(thing, type) else f"an object of type {type(thing).__name__}"
    )


def _no_factory(path: str, name: str, found: dict[str, Any]) -> Exception:
    functions = [key for key, value in found.items() if callable(value) and not key.startswith("_")]
    close = get_close_matches(name, functions, n=1)
    own = [f for f in functions if getattr(found[f], "__module__", "").startswith("akc_user_")]
    return error(
        "AKC0312",
        f"{path} has no {name}",
        help=f"did you mean {path}:{close[0]}?"
        if close
        else f"it defines {', '.join(own) or 'nothing that can be called'}",
    )
