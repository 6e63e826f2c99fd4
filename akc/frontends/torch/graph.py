# SPDX-License-Identifier: Apache-2.0
"""From a torch.export graph to the common form: constants computed, one handler an aten operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.graph.graph import Graph, Input, Tensor
from akc.frontends.torch.quantised import note_steps
from akc.frontends.torch.reader import TorchReader, dtype_of, is_part, states_of
from akc.frontends.torch.table import HANDLERS, ONE_RESULT, OPAQUE_NAMES


def read_graph(program: Any, name: str, batch_axes: Sequence[int]) -> Graph:
    """The common form of an exported program; raises DiagnosticError with every fault found."""
    reader, axes = TorchReader(program, Graph(name), batch_axes[0]), iter(batch_axes)
    states = states_of(program)
    for node in program.graph_module.graph.nodes:
        if node.op == "placeholder":
            _placeholder(reader, node, states, axes)
        elif node.op == "get_attr":
            reader.store(node.name, getattr(program.graph_module, node.target))
        elif is_part(node):
            reader.aliases[node.name] = f"{reader.name(node.args[0])}:{node.args[1]}"
        elif node.op == "call_function" and reader.folded(node):
            if node.name in reader.tensors:
                note_steps(reader, node, operator_name(node))
        elif node.op == "call_function":
            reader.note_types(node)
            handle(reader, node)
        elif node.op == "output":
            _outputs(reader, node)
    if reader.faults:
        raise DiagnosticError(reader.faults)
    return reader.graph


def _placeholder(r: TorchReader, node: Any, states: Mapping[str, tuple[str, Any]], axes: Iterator[int]) -> None:
    if node.name in states:
        r.owners[node.name] = states[node.name][0]
        r.store(node.name, states[node.name][1])
        return
    axis, value = next(axes), node.meta["val"]
    if node.users:
        r.graph.inputs.append(Input(node.name, axis))
        r.graph.types[node.name] = Tensor(dtype_of(value), tuple(value.shape))
        if not value.is_floating_point():
            limits = np.iinfo(dtype_of(value))
            r.graph.ranges[node.name] = float(limits.min), float(limits.max)


SPACES = ("aten.", "quantized_decomposed.", "akc.")


def operator_name(node: Any) -> str:
    """The name of an operator without its library and overload."""
    name = str(node.target)
    space = next((one for one in SPACES if name.startswith(one)), "")
    return name.removeprefix(space).split(".")[0].strip("_<>")


def handle(r: TorchReader, node: Any) -> None:
    """Read one call: by its row, or under its own name."""
    name = operator_name(node)
    row = HANDLERS.get(name)
    if name in ONE_RESULT and node.name in r.parts and any(user.args[1] != 0 and user.users for user in node.users):
        r.opaque(node, "indices or masks")
        return
    if row is None:
        r.opaque(node, OPAQUE_NAMES.get(name, name))
    else:
        row(r, node, *node.args, **node.kwargs)


def _outputs(r: TorchReader, node: Any) -> None:
    for value in _flat(node.args[0]):
        name = r.name(value) if hasattr(value, "name") else ""
        if name not in r.graph.types:
            r.faults.append(Diagnostic(code="AKC0314", message=f"result {value} does not depend on the input"))
        elif name in r.graph.outputs:
            r.faults.append(returned_twice(f"result {value}"))
        else:
            r.graph.outputs.append(name)


def returned_twice(what: str) -> Diagnostic:
    """The fault of a result that is one of the others."""
    help = "return it once, and use it twice behind the network"
    return Diagnostic(code="AKC0396", message=f"{what} of forward is one of its other results", help=(help,))


def _flat(results: Any) -> list[Any]:
    if isinstance(results, list | tuple):
        return [leaf for part in results for leaf in _flat(part)]
    return [] if results is None else [results]
