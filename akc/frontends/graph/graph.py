# SPDX-License-Identifier: Apache-2.0
"""The common form of a traced network: what every graph frontend reads into, and what is built from it.

ONNX files and torch.export graphs become the same list of nodes with the same few kinds (the table
`KINDS` of akc.frontends.graph.emit.kinds says what each turns into). Shapes are the source's own, with a batch
axis of length 1; layouts are the source's own as well (channels first).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]


FLOATS = ("float32", "float64", "float16", "bfloat16")
"""Element types that are read as f32."""


@frozen
class Tensor:
    """Element type (numpy's name, such as float32) and shape with the batch axis, all axes known."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@frozen(kw_only=True, eq=False)
class Node:
    """One operation of the source.

    kind: a row of akc.frontends.graph.emit.kinds.KINDS, or a plain arithmetic word (add, mul, erf ...) that is
    recognised as part of a group or arrives as an opaque operation;
    inputs: names of values or constants; constants: weights by role ("weight", "bias" ...);
    name: the name wanted for the result; source: what the user calls the node.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(factory=dict)
    constants: Mapping[str, Array] = field(factory=dict)
    name: str = ""
    source: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The first result."""
        return self.outputs[0]

    def __getitem__(self, key: str) -> Any:
        return self.attributes[key]


@frozen
class Input:
    """An input of the network: its name in the source, and which axis is the batch."""

    name: str
    batch_axis: int | None = 0


@define
class Graph:
    """Nodes in an order in which every value is defined before it is read."""

    name: str
    inputs: list[Input] = field(factory=list)
    nodes: list[Node] = field(factory=list)
    outputs: list[str] = field(factory=list)
    constants: dict[str, Array] = field(factory=dict)
    types: dict[str, Tensor] = field(factory=dict)
    ranges: dict[str, tuple[float, float]] = field(factory=dict)
    """Smallest and largest number of values for which the source says so."""
    steps: dict[str, Array] = field(factory=dict)
    """Of constants that are whole numbers times a scale: the scale of each number, in the constant's shape."""

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape of a value or constant."""
        return self.constants[value].shape if value in self.constants else self.types[value].shape

    def add(self, node: Node, *types: Tensor) -> str:
        """Append a node whose outputs have these types; gives the name of the first output."""
        self.nodes.append(node)
        self.types.update(zip(node.outputs, types))
        return node.output

    def producers(self) -> dict[str, Node]:
        """The node that makes each value."""
        return {value: node for node in self.nodes for value in node.outputs}

    def users(self) -> dict[str, list[Node]]:
        """The nodes that read each value; the network's own outputs are not among them."""
        users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                users.setdefault(value, []).append(node)
        return users

    def drop_dead(self) -> None:
        """Remove the nodes that no output needs."""
        needed = set(self.outputs)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]

    def rewrite(self, change: Callable[[Node], Node | None]) -> bool:
        """Put `change(node)` in each node's place where it gives one; whether any changed."""
        new = [change(node) for node in self.nodes]
        self.nodes = [old if replaced is None else replaced for old, replaced in zip(self.nodes, new)]
        self.drop_dead()
        return any(replaced is not None for replaced in new)

    def rename_inputs(self, names: Mapping[str, str]) -> None:
        """Let every reader of a value read another one."""
        if names:
            self.nodes = [_renamed(node, names) for node in self.nodes]
            self.outputs = [_final(value, names) for value in self.outputs]


def _final(value: str, names: Mapping[str, str]) -> str:
    while value in names:
        value = names[value]
    return value


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    inputs = tuple(_final(value, names) for value in node.inputs)
    return node if inputs == node.inputs else evolve(node, inputs=inputs)


def merged_source(*nodes: Node) -> tuple[str, ...]:
    """The source names of several nodes, without repeats."""
    return tuple(dict.fromkeys(name for node in nodes for name in node.source))


def scalar(array: Array | None) -> float | None:
    """The one number of a constant with one element, else None."""
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def only_activations(graph: Graph, values: Iterable[str]) -> tuple[str, ...]:
    """The values that are no constants and not absent."""
    return tuple(value for value in values if value and value not in graph.constants)
