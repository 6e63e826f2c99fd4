# SPDX-License-Identifier: Apache-2.0
"""Spiking PyTorch modules: traced with every neuron as one node, the time loop folded into one step.

During tracing each neuron module's forward is replaced by one opaque operator that ignores states.
Copies of a layer at different steps then compute the same thing from the same input, and are found
to be the same node; what differs between steps is thereby seen, and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from attrs import frozen

from akc.diagnostics import DiagnosticError, error
from akc.frontends.refusals import REFUSALS
from akc.frontends.spiking import NeuronSpec, SpikingOptions
from akc.frontends.timefold import Folder
from akc.frontends.torch_export import import_torch
from akc.frontends.users_code import in_users_code
from akc.ir.module import Module


@frozen(kw_only=True)
class NeuronRow:
    """A class of a spiking framework: what it becomes, or why it is refused.

    verdict: exact, approximate, host or refused; how: a line for the table of compatibility; read: the
    neuron of a live module; before: what the module does to its input first; result: what its forward
    gives, made from spikes and membrane; over_time: whether it takes all steps at once, time first.
    """

    name: str
    verdict: str
    how: str = ""
    refusal: str = ""
    read: Callable[[Any, SpikingOptions, str], NeuronSpec] | None = None
    before: Callable[[Any, Any], Any] = lambda module, x: x
    result: Callable[[Any, Any, Any], Any] = lambda module, spikes, membrane: (spikes, membrane)
    over_time: bool = False


Rows = Mapping[str, NeuronRow]


def find_row(module: Any, rows: Rows) -> NeuronRow | None:
    """The row of a module's class, or of the nearest base that has one."""
    return next((rows[c.__name__] for c in type(module).__mro__ if c.__name__ in rows), None)


def read_loop(model: Any, example: Any, rows: Rows, options: SpikingOptions, name: str | None = None) -> Module:
    """The module of a live spiking network; see `akc.frontends.snntorch.read_snntorch`."""
    import_torch()
    neurons = _neurons(model, rows)
    if not neurons:
        raise error(
            "AKC0386", f"{type(model).__name__} holds no spiking neuron", help="docs/compatibility.md lists them"
        )
    over_time = any(row.over_time for _, _, row in neurons)
    inputs, steps = _example(example, over_time)
    specs = [row.read(m, options, path) for path, m, row in neurons if row.read is not None]
    with _opaque_neurons(neurons):
        program = _export(model, inputs)
    folded = Folder(program, name or type(model).__name__, specs, neurons, batch_axis=1 if over_time else 0)
    folded.run()
    return folded.module(options, steps)


# -- tracing -------------------------------------------------------------------------------------


def _neurons(model: Any, rows: Rows) -> list[tuple[str, Any, NeuronRow]]:
    """Every neuron module with its path and row; raises with all that are refused."""
    found = [(path, m, row) for path, m in model.named_modules() if (row := find_row(m, rows)) is not None]
    faults = [
        REFUSALS[row.refusal].diagnostic(path or type(m).__name__, type(m).__name__)
        for path, m, row in found
        if row.refusal
    ]
    if faults:
        raise DiagnosticError(faults)
    return found


def _example(example: Any, over_time: bool) -> tuple[tuple[Any, ...], int | None]:
    """Example tensors (the first is the input, the rest are states), and T where the layers take all steps at once."""
    import torch

    if isinstance(example, tuple | list) and example and all(isinstance(n, int) for n in example):
        example = torch.zeros(*example)
    if isinstance(example, tuple | list) and len(example) == 1 and not hasattr(example[0], "detach"):
        return _example(example[0], over_time)
    tensors = tuple(example) if isinstance(example, tuple | list) else (example,)
    if not tensors or not all(hasattr(t, "detach") for t in tensors):
        raise error(
            "AKC0312",
            "spiking modules are traced with an example input",
            help="give its shape with the batch axis: --example 1,784, or example=(1, 784) in Python",
        )
    if not over_time:
        return tensors, None
    return (tensors[0][:1], *tensors[1:]), int(tensors[0].shape[0])


@cache
def neuron_operator() -> Any:
    """The operator that stands for a neuron while a module is traced: (spikes, membrane) = akc::neuron(x, index)."""
    import torch

    def neuron(x: torch.Tensor, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros_like(x), torch.zeros_like(x)

    neuron.__annotations__ = {"x": torch.Tensor, "index": int, "return": tuple[torch.Tensor, torch.Tensor]}
    made = torch.library.custom_op("akc::neuron", neuron, mutates_args=())
    made.register_fake(lambda x, index: (torch.empty_like(x), torch.empty_like(x)))
    return made


@contextmanager
def _opaque_neurons(neurons: list[tuple[str, Any, NeuronRow]]) -> Iterator[None]:
    """Let each neuron's forward be the operator; undone at the end."""

    def forward(module: Any, row: NeuronRow, index: int) -> Callable[..., Any]:
        def run(x: Any, *states: Any, **named: Any) -> Any:
            spikes, membrane = neuron_operator()(row.before(module, x), index)
            return row.result(module, spikes, membrane)

        return run

    for index, (_, module, row) in enumerate(neurons):
        module.forward = forward(module, row, index)
    try:
        yield
    finally:
        for _, module, _ in neurons:
            del module.forward


def _export(model: Any, inputs: tuple[Any, ...]) -> Any:
    import torch

    training = model.training
    model.eval()
    try:
        with (
            torch.no_grad(),
            in_users_code(
                "AKC0310", "the module cannot be traced", ("does the example have the shape that forward takes?",)
            ),
        ):
            return torch.export.export(model, inputs, strict=False)
    finally:
        model.train(training)
