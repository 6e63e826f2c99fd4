# SPDX-License-Identifier: Apache-2.0
"""How a copy of a user's PyTorch module is run: quietly, repeatably, and in float64."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import numpy as np

from akc.frontends.torch.export import switch_to

AS_READ: Mapping[str, Any] = {"state_quant": False, "kernel_truncation_steps": None}
"""What akc leaves out of a neuron with a warning, and the values that leave it out of the source."""


FRESH: Mapping[str, str] = {"snntorch": "reset_mem", "spikingjelly": "reset", "sinabs": "reset_states"}
"""The method of a framework's neurons that forgets what an earlier run left in them."""


def copied(model: Any, spiking: Mapping[str, Any], doubles: bool) -> Any:
    """A copy in evaluation mode, at rest, with the options that the user set in place of what the source says."""
    made = _deep_copy(model)
    switch_to(made, False)
    for part in made.modules():
        _set_as_read(part, spiking)
        forget = getattr(part, FRESH.get(type(part).__module__.split(".")[0], ""), None)
        if forget is not None:
            forget()
        if doubles:
            for key, value in vars(part).items():
                if hasattr(value, "is_floating_point"):
                    part.__dict__[key] = widened(value)
    return made.double() if doubles else made


def _deep_copy(model: Any) -> Any:
    """A deep copy; states that hang on a gradient's graph are cut off it."""
    import torch

    memo: dict[int, Any] = {}
    for part in model.modules():
        for value in (*vars(part).values(), *part._buffers.values()):
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(model, memo)


def _set_as_read(part: Any, spiking: Mapping[str, Any]) -> None:
    for key, value in AS_READ.items():
        if getattr(part, key, value) is not value:
            setattr(part, key, value)
    if spiking.get("reset") in ("subtract", "zero", "none") and hasattr(part, "reset_mechanism"):
        part.reset_mechanism = spiking["reset"]
    if spiking.get("dt") and isinstance(getattr(part, "dt", None), float):
        part.dt = float(spiking["dt"])


def widened(tensor: Any) -> Any:
    """A tensor of floats in float64."""
    return tensor.double() if tensor.is_floating_point() else tensor


@contextmanager
def own_instances(model: Any) -> Iterator[None]:
    """Let snnTorch's utils.reset, which resets every neuron that was ever made, see those of one model only."""
    try:
        import snntorch
    except ImportError:
        yield
        return
    kept = snntorch.SpikingNeuron.instances
    snntorch.SpikingNeuron.instances = [m for m in model.modules() if isinstance(m, snntorch.SpikingNeuron)]
    try:
        yield
    finally:
        snntorch.SpikingNeuron.instances = kept


@contextmanager
def quiet(doubles: bool) -> Iterator[None]:
    """No gradients, no warnings, seeded generators that are put back, and float64 wherever float32 was meant."""
    import torch

    numpy_state, python_state, kind = np.random.get_state(), random.getstate(), torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        try:
            if doubles:
                torch.set_default_dtype(torch.float64)
                stack.enter_context(_wide_mode()())
            yield
        finally:
            torch.set_default_dtype(kind)
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@cache
def _wide_mode() -> Any:
    """A mode of torch in which every operator gets float64 in place of float32, `.float()` included."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    narrow = (torch.float32, torch.float16, torch.bfloat16)

    def widen(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.double() if value.dtype in narrow else value
        return torch.float64 if value in narrow else value

    class Wide(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*_mapped(widen, args), **_mapped(widen, kwargs or {}))

    return Wide


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_mapped(change, v) for v in value)
    if isinstance(value, dict):
        return {k: _mapped(change, v) for k, v in value.items()}
    return change(value) if hasattr(value, "dtype") or type(value).__name__ == "dtype" else value


def leaves(results: Any) -> list[Any]:
    """The tensors that a forward gives, in order: of tuples, lists and dicts; states of Norse are no results."""
    if hasattr(results, "detach"):
        return [results]
    if type(results).__module__.split(".")[0] == "norse":
        return []
    if isinstance(results, Mapping):
        return [leaf for part in results.values() for leaf in leaves(part)]
    if isinstance(results, list | tuple):
        return [leaf for part in results for leaf in leaves(part)]
    return []
