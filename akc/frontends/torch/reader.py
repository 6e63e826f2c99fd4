# SPDX-License-Identifier: Apache-2.0
"""The state of reading one torch.export program: what its operators' handlers ask, and what they build."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field

from akc.base.diagnostics import Diagnostic
from akc.frontends.graph.graph import Array, Graph, Node, Tensor

Handler = Callable[..., None]
"""handler(reader, node, *arguments, **keywords) with the operator's own arguments."""


@define
class TorchReader:
    """State of reading one exported program; the handlers of akc.frontends.torch.table see it as `r`."""

    program: Any
    graph: Graph
    batch_axis: int
    tensors: dict[str, Any] = field(factory=dict)
    """Constants by name: parameters, buffers and what is computed from them alone."""
    owners: dict[str, str] = field(factory=dict)
    aliases: dict[str, str] = field(factory=dict)
    parts: dict[str, tuple[str, ...]] = field(factory=dict)
    """The results of nodes that give several."""
    faults: list[Diagnostic] = field(factory=list)
    _arrays: dict[str, Array] = field(factory=dict)

    def name(self, argument: Any) -> str:
        """Name of the value that an argument (a graph node) stands for; "" for None."""
        name = "" if argument is None else str(argument.name)
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def shape(self, argument: Any) -> tuple[int, ...]:
        """Shape of an argument."""
        return self.graph.shape(self.name(argument))

    def array(self, argument: Any) -> Array | None:
        """The numbers of a constant argument; None if it is computed, or absent."""
        return self.graph.constants.get(self.name(argument)) if hasattr(argument, "name") else None

    def steps(self, argument: Any, turned: bool = False) -> Array | None:
        """The scales of a constant's numbers, where they are whole numbers times scales; turned: transposed."""
        found = self.graph.steps.get(self.name(argument)) if hasattr(argument, "name") else None
        return found if found is None or not turned else found.T

    def operand(self, argument: Any, node: Any) -> str:
        """Name of an argument that may also be a plain number."""
        if hasattr(argument, "name"):
            return self.name(argument)
        name = f"{node.name}:{len(self.graph.constants)}"
        self.graph.constants[name] = np.asarray(argument, np.float32 if isinstance(argument, float) else None)
        return name

    # -- constants and types ----------------------------------------------------------------------

    def store(self, name: str, tensor: Any) -> None:
        """Note a constant; what is no tensor has no numbers."""
        if hasattr(tensor, "detach"):
            self.tensors[name] = tensor
            plain = tensor.detach().cpu()
            self.graph.constants[name] = (plain.float() if plain.is_floating_point() else plain).numpy()

    def folded(self, node: Any) -> bool:
        """Compute a node whose arguments are all known: zeros for a start state, a weight that is split."""
        import torch

        if any(self.name(a) not in self.tensors for a in node.all_input_nodes) or "rand" in str(node.target):
            return False
        value = node.meta.get("val")
        if not hasattr(value, "shape") and not isinstance(value, list | tuple):
            return False
        arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: self.tensors[self.name(n)])
        with torch.no_grad():
            found = node.target(*arguments, **keywords)
        if isinstance(found, list | tuple):
            for i, part in enumerate(found):
                self.store(f"{node.name}:{i}", part)
            return True
        self.store(node.name, found)
        return node.name in self.tensors

    def note_types(self, node: Any) -> None:
        """Note the types of a node's results."""
        value = node.meta.get("val")
        if isinstance(value, list | tuple):
            names = self.parts[node.name] = tuple(f"{node.name}:{i}" for i in range(len(value)))
            self.graph.types.update(
                (name, Tensor(dtype_of(v), tuple(v.shape))) for name, v in zip(names, value) if v is not None
            )
        elif hasattr(value, "shape"):
            self.graph.types[node.name] = Tensor(dtype_of(value), tuple(value.shape))

    # -- names ------------------------------------------------------------------------------------

    def module_path(self, node: Any) -> str:
        """Path of the innermost module that made a node."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        return stack[-1][0].split("@")[0] if stack else ""

    def wanted(self, node: Any) -> str:
        """The name for a node's result: its module, else its own; inside a module of the user's both."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = self.module_path(node)
        if not path:
            return str(node.name)
        kind = stack[-1][1]
        ours = (kind if isinstance(kind, str) else f"{kind.__module__}.").startswith("torch.nn.")
        return path if ours else f"{path}.{node.name}"

    def source(self, node: Any) -> tuple[str, ...]:
        """What the user calls a node: its module, else the name in the traced graph."""
        return (self.module_path(node) or str(node.name),)

    # -- building ---------------------------------------------------------------------------------

    def emit(
        self,
        node: Any,
        kind: str,
        inputs: Sequence[str],
        constants: Mapping[str, Array | None] | None = None,
        outputs: Sequence[str] | None = None,
        **attributes: Any,
    ) -> None:
        """Add a graph node that makes the torch node's results."""
        self.graph.nodes.append(
            Node(
                kind=kind,
                inputs=tuple(inputs),
                outputs=tuple(outputs or self.parts.get(node.name, (node.name,))),
                attributes=attributes,
                constants={k: v for k, v in (constants or {}).items() if v is not None},
                name=self.wanted(node),
                source=self.source(node),
            )
        )

    def made(self, name: str, like: Any, shape: tuple[int, ...]) -> str:
        """Note the type of a value that a handler makes in between."""
        self.graph.types[name] = Tensor(dtype_of(like.meta["val"]) if hasattr(like, "meta") else "float32", shape)
        return name

    def opaque(self, node: Any, what: str) -> None:
        """The node has no operation in the language."""
        self.emit(node, "opaque", [self.name(a) for a in node.all_input_nodes], op=what)


def dtype_of(value: Any) -> str:
    """Element type of a traced value, or of the first of several."""
    value = value[0] if isinstance(value, list | tuple) else value
    return str(value.dtype).removeprefix("torch.")


def states_of(program: Any) -> dict[str, tuple[str, Any]]:
    """Parameters, buffers and other constants: (name in the module, tensor) by name in the graph."""
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    states = {
        key: (target, program.state_dict[target]) for key, target in named.items() if target in program.state_dict
    }
    rest = {
        key: target
        for key, target in {**named, **signature.inputs_to_lifted_tensor_constants}.items()
        if key not in states
    }
    return states | {key: (target, program.constants[target]) for key, target in rest.items()}


def is_part(node: Any) -> bool:
    """Whether a node only takes one of several results."""
    return node.target is operator.getitem
