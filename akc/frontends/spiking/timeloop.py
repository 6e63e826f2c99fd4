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

from akc.base.diagnostics import DiagnosticError, error
from akc.frontends.spiking.fold import Folder
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions
from akc.frontends.spiking.readout import folded_module
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.torch.export import import_torch
from akc.frontends.torch.users_code import in_users_code
from akc.ir.module import Module

Shape = tuple[int, ...]


@frozen(kw_only=True)
class NeuronRow:
    """A class of a spiking framework: what it becomes, or why it is refused.

    verdict: exact, approximate, host or refused; how: a line for the table of compatibility; applies:
    whether a refusal holds for this module; read: the neuron of a live module; before: what the module does
    to its input first; sizes: shapes of its spikes and its membrane, made from that of the input; result: what
    its forward gives, made from spikes and membrane; over_time: whether it takes all steps at once, time first.
    """

    name: str
    verdict: str
    how: str = ""
    refusal: str = ""
    applies: Callable[[Any], bool] = lambda module: True
    read: Callable[[Any, SpikingOptions, str], NeuronSpec] | None = None
    before: Callable[[Any, Any], Any] = lambda module, x: x
    sizes: Callable[[Any, Shape], tuple[Shape, Shape]] = lambda module, shape: (shape, shape)
    result: Callable[[Any, Any, Any], Any] = lambda module, spikes, membrane: (spikes, membrane)
    over_time: bool = False


Rows = Mapping[str, NeuronRow]


def find_row(module: Any, rows: Rows) -> NeuronRow | None:
    """The row of a module's class, or of the nearest base that has one."""
    return next((rows[c.__name__] for c in type(module).__mro__ if c.__name__ in rows), None)


def read_loop(model: Any, example: Any, rows: Rows, options: SpikingOptions, name: str | None = None) -> Module:
    """The module of a live spiking network; see `akc.frontends.spiking.snntorch.read_snntorch`."""
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
    return folded_module(folded, options, steps)


# -- tracing -------------------------------------------------------------------------------------


def _neurons(model: Any, rows: Rows) -> list[tuple[str, Any, NeuronRow]]:
    """Every neuron module with its path and row; raises with all that are refused."""
    found = [(path, m, row) for path, m in model.named_modules() if (row := find_row(m, rows)) is not None]
    faults = [
        REFUSALS[reason].diagnostic(path or type(m).__name__, type(m).__name__)
        for path, m, row in found
        if (reason := _refusal(m, row))
    ]
    if faults:
        raise DiagnosticError(faults)
    return [(path, m, row) for path, m, row in found if row.read is not None]


def _refusal(module: Any, row: NeuronRow) -> str:
    """Why a module is refused; a class with a forward of its own is not what its base is."""
    if row.refusal:
        return row.refusal if row.applies(module) else ""
    below = next((c for c in type(module).__mro__ if c.__name__ == row.name or "forward" in vars(c)), None)
    return "" if below is not None and below.__name__ == row.name else "own-forward"


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
    """The operator that stands for a neuron while a module is traced.

    (spikes, membrane) = akc::neuron(x, index, shape of the spikes, shape of the membrane)
    """
    import torch

    def neuron(x: torch.Tensor, index: int, spikes: list[int], membrane: list[int]) -> Any:
        return x.new_zeros(spikes), x.new_zeros(membrane)

    neuron.__annotations__ = {"x": torch.Tensor, "index": int, "spikes": list[int], "membrane": list[int],
                              "return": tuple[torch.Tensor, torch.Tensor]}  # fmt: skip
    made = torch.library.custom_op("akc::neuron", neuron, mutates_args=())
    made.register_fake(lambda x, index, spikes, membrane: (x.new_empty(spikes), x.new_empty(membrane)))
    return made


@contextmanager
def _opaque_neurons(neurons: list[tuple[str, Any, NeuronRow]]) -> Iterator[None]:
    """Let each neuron's forward be the operator; undone at the end."""

    def forward(module: Any, row: NeuronRow, index: int) -> Callable[..., Any]:
        def run(x: Any, *states: Any, **named: Any) -> Any:
            current = row.before(module, x)
            sizes = (list(size) for size in row.sizes(module, tuple(current.shape)))
            return row.result(module, *neuron_operator()(current, index, *sizes))

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
