# SPDX-License-Identifier: Apache-2.0
"""Live PyTorch modules, traced by torch.export, and modules made by a function in a user's file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from akc.base.diagnostics import error
from akc.frontends.graph.building import build_module
from akc.frontends.graph.emit.kinds import KINDS, emit_opaque
from akc.frontends.graph.quantisers import settle_quantisers
from akc.frontends.graph.recognise import recognise
from akc.frontends.graph.simplify import simplify
from akc.frontends.torch.brevitas import is_quantised, plain
from akc.frontends.torch.cells import written_out
from akc.frontends.torch.factory import load_factory
from akc.frontends.torch.graph import read_graph
from akc.frontends.torch.users_code import in_users_code
from akc.ir.module import Module

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_factory", "read_torch"]


def read_torch(module: nn.Module, example: Any, name: str | None = None) -> Module:
    """The network of a PyTorch module, in evaluation mode.

    example: a tensor (float, uint8 or int8), a tuple of one for each input, or shapes of them, with the batch axis:
    (1, 1, 28, 28). Only one sample of it is used. name: of the net; the class name where it is not given.
    Modules that torch.jit traced or scripted are converted first. Raises DiagnosticError AKC0307 (an input of other
    integers), AKC0310 (it cannot be traced; the place is in the user's code), AKC0312 (the example), AKC0313 (torch is
    not installed) or AKC0346 (a scripted module that cannot be converted).
    """
    torch = import_torch()
    samples = samples_of(module, example)
    inputs = tuple(tensor for tensor, _ in samples)
    scripted = isinstance(module, torch.jit.ScriptModule)
    own_name = getattr(module, "original_name", "net") if scripted else type(module).__name__
    traced = plain(module, inputs) if not scripted and is_quantised(module) else module
    program = converted(module, inputs) if scripted else _exported(traced, inputs)
    graph = read_graph(program, name or own_name, [axis for _, axis in samples])
    settle_quantisers(graph)
    recognise(graph)
    simplify(graph, statistics=True)
    return build_module(graph, KINDS, emit_opaque)


def converted(module: Any, inputs: tuple[Any, ...]) -> Any:
    """The torch.export program of a module that torch.jit made, by PyTorch's own converter."""
    import torch

    kind = "trace" if type(module).__name__ == "TopLevelTracedModule" else "script"
    training = module.training
    module.eval()
    try:
        from torch._export.converter import TS2EPConverter

        with warnings.catch_warnings(), torch.no_grad(), quiet_tracer():
            warnings.simplefilter("ignore")
            found = TS2EPConverter(module, inputs).convert()
            return written_out(torch.export.export(found.module(), inputs, strict=False))
    except Exception as fault:  # the converter raises whatever its parts do
        reason = next((line.strip() for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
        raise error(
            "AKC0346",
            f"the module went through torch.jit.{kind}, and what is left of it cannot be read",
            label=f"{type(fault).__name__}: {reason}",
            help=f"give the module that went into torch.jit.{kind}",
        ) from None
    finally:
        module.train(training)


@contextmanager
def quiet_tracer() -> Iterator[None]:
    """PyTorch's tracer and converter without their log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def import_torch() -> Any:
    """The torch package, or a diagnostic that says how to install it."""
    try:
        import torch
    except ImportError:
        raise error("AKC0313", "reading PyTorch modules needs torch", help='pip install "akc[torch]"') from None
    return torch


def samples_of(module: nn.Module, example: Any) -> list[tuple[Any, int]]:
    """For each input a tensor with a batch of one, and which axis is the batch."""
    several = isinstance(example, Sequence) and len(example) > 1 and not all(isinstance(n, int) for n in example)
    found = [one_sample(module, each) for each in (example if several else (example,))]
    lengths = [_tensor(each).shape[axis] for each, (_, axis) in zip(example, found)] if several else []
    if len(set(lengths)) > 1:
        raise error(
            "AKC0306",
            f"the batch axes of the examples differ in length: {', '.join(map(str, lengths))}",
            help="put the batch first in each of them: --example 1,8 --example 1,4",
        )
    return found


def one_sample(module: nn.Module, example: Any) -> tuple[Any, int]:
    """A tensor with a batch of one, and which axis is the batch.

    The batch is the first axis, or the second where a recurrent layer of the module reads time first.
    """
    import torch

    tensor = _tensor(example)
    recurrent = any(isinstance(m, torch.nn.RNNBase) for m in module.modules())
    if recurrent and tensor.ndim == 3 and tensor.shape[0] != 1:
        if tensor.shape[1] != 1:
            raise error(
                "AKC0312",
                f"the example {_shape(tensor)} has no batch axis of length 1",
                help="recurrent networks are traced with a batch of one: [1, time, features] or [time, 1, features]",
            )
        return tensor, 1
    if recurrent and tensor.ndim == 2:
        raise error(
            "AKC0312", f"the example {_shape(tensor)} has no batch axis", help="put one in front: example.unsqueeze(0)"
        )
    return tensor[:1], 0


def _shape(tensor: Any) -> str:
    return "x".join(str(n) for n in tensor.shape)


def _tensor(example: Any) -> Any:
    import torch

    if isinstance(example, torch.Tensor):
        tensor = example
    elif isinstance(example, Sequence) and example and all(isinstance(n, int) for n in example):
        tensor = torch.zeros(*example)
    elif isinstance(example, Sequence) and len(example) == 1:
        return _tensor(example[0])
    elif hasattr(example, "__array__"):
        tensor = torch.as_tensor(example)
    else:
        raise error(
            "AKC0312",
            "PyTorch modules are traced with an example input",
            help="give its shape with the batch axis: --example 1,1,28,28, or example=(1, 1, 28, 28) in Python",
        )
    if tensor.ndim == 0:
        raise error("AKC0312", "the example is a single number", help="its first axis is the batch: 1,1,28,28")
    if tensor.dtype in (torch.uint8, torch.int8):
        return tensor.detach().to("cpu")
    if not tensor.is_floating_point():
        raise error(
            "AKC0307",
            f"the example holds {str(tensor.dtype).removeprefix('torch.')} numbers; networks for the chip read floats"
            " or bytes",
            help="give an example of float32, uint8 or int8, and convert in front of the module",
        )
    return tensor.detach().to("cpu", torch.float32)


def _exported(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """torch.export with the fused kernels of attention switched off, so that its parts are seen."""
    import torch

    training = module.training
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    switch_to(module, False)
    try:
        with (
            torch.no_grad(),
            warnings.catch_warnings(),
            in_users_code("AKC0310", "the module cannot be traced", _WAYS_OUT),
        ):
            warnings.simplefilter("ignore")
            return written_out(without_changes_in_place(torch.export.export(module, inputs, strict=False)))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        switch_to(module, training)


def switch_to(module: nn.Module, training: bool) -> None:
    """Training or evaluation mode; a module that was exported before, as convert_pt2e gives it, has one mode only."""
    try:
        module.train(training)
    except NotImplementedError:
        return


def without_changes_in_place(program: Any) -> Any:
    """The program, in which nothing is written into a value that is read elsewhere: y[:, 0] = x, copy_, out += x."""
    if any(_changes_what_is_read(node) for node in program.graph_module.graph.nodes):
        return program.run_decompositions({})
    return program


def _changes_what_is_read(node: Any) -> bool:
    """Whether a call writes into an argument that is a view, or that something else reads after it."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None or not schema.is_mutable or not node.args:
        return False
    written = node.args[0]
    if not hasattr(written, "users"):
        return False
    made = getattr(written.target, "_schema", None)
    view = made is not None and any(a.alias_info is not None and not a.alias_info.is_write for a in made.arguments)
    return str(node.target).startswith("aten.copy_") or view or any(user > node for user in written.users)


_WAYS_OUT = (
    "does the example have the shape that forward takes, batch axis included?",
    "forward must not decide by the values of tensors; export to ONNX with your own tracing is another way in",
)
