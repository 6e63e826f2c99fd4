# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph that grows operation by operation, and in which form it holds the values of a text.

Batch and time are folded into the first axis. A value of the text is held as [n, *shape] like the text has it, or
channels first ([n, channels, d0, d1]) as ONNX wants maps, in one of a few element types; what is asked for in another
form is converted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import define, field, frozen

from akc.ir.module import Module
from akc.ir.types import TensorType
from akc.sim.registry import Array

OPSET, IR_VERSION = 17, 8
"""What the models are written in: read by ONNX Runtime from 1.12 on."""

MOST_MODEL_BYTES = 2**31 - 1
"""What one protobuf message holds."""


@frozen
class Form:
    """How a tensor holds a value: maps with channels first or in the text's own order, and the element type."""

    first: bool
    dtype: npt.DTypeLike


def text_form(dtype: npt.DTypeLike) -> Form:
    """The text's own order of axes."""
    return Form(False, np.dtype(dtype))


def channels_first(dtype: npt.DTypeLike) -> Form:
    """[n, channels, d0, d1]."""
    return Form(True, np.dtype(dtype))


@define
class Graph:
    """Nodes and constants of one model, and the forms in which each value of the text is there."""

    module: Module
    nodes: list[Any] = field(factory=list)
    constants: list[Any] = field(factory=list)
    held: dict[str, dict[Form, str]] = field(factory=dict)
    names: set[str] = field(factory=set)
    """Names that are taken: those of the text's values, and of every tensor so far."""

    def unique(self, base: str) -> str:
        """A tensor's name that is not taken yet."""
        name, n = base, 1
        while name in self.names:
            n += 1
            name = f"{base}_{n}"
        self.names.add(name)
        return name

    def constant(self, base: str, array: Array) -> str:
        """Keep an array in the model; its tensor's name."""
        from onnx import numpy_helper

        name = self.unique(base)
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], base: str, **attributes: Any) -> str:
        """Add a node with one result; the result's name."""
        from onnx import helper

        name = self.unique(base)
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def cast(self, tensor: str, dtype: npt.DTypeLike, base: str) -> str:
        """The tensor in another element type."""
        from onnx import helper

        return self.node("Cast", [tensor], base, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshape(self, tensor: str, shape: Sequence[int], base: str) -> str:
        """The tensor with these axes behind the first one."""
        return self.node("Reshape", [tensor, self.constant(f"{base}.shape", np.array([-1, *shape], np.int64))], base)

    def hold(self, value: str, form: Form, tensor: str) -> None:
        """Say that a tensor holds a value of the text in this form."""
        self.held.setdefault(value, {})[form] = tensor

    def type_of(self, value: str) -> TensorType:
        """The type of a value of the text."""
        return self.module.net.values[value].type

    def get(self, value: str, form: Form) -> str:
        """The tensor that holds a value in this form, converted from another one where need be."""
        there = self.held[value]
        if form not in there:
            nearest = next((f for f in there if f.first == form.first), None) or next(iter(there))
            there[form] = self._converted(value, there[nearest], nearest, form)
        return there[form]

    def _converted(self, value: str, tensor: str, now: Form, wanted: Form) -> str:
        if now.first != wanted.first:
            tensor = self._turned(value, tensor, wanted.first)
        return tensor if now.dtype == wanted.dtype else self.cast(tensor, wanted.dtype, f"{value}.cast")

    def _turned(self, value: str, tensor: str, first: bool) -> str:
        shape = self.type_of(value).shape
        if len(shape) == 3:
            d0, d1, channels = shape
            if channels > 1 and d0 * d1 > 1:
                return self.node("Transpose", [tensor], f"{value}.turned", perm=[0, 3, 1, 2] if first else [0, 2, 3, 1])
            shape = (channels, d0, d1) if first else shape
        return self.reshape(tensor, shape, f"{value}.turned")

    def rows(self, value: str, dtype: npt.DTypeLike) -> tuple[str, bool]:
        """A value as rows [n, numbers], and whether its channels come first in a row."""
        size = prod(self.type_of(value).shape)
        form = next((f for f in self.held[value] if f.dtype == np.dtype(dtype)), next(iter(self.held[value])))
        return self.reshape(self.get(value, Form(form.first, np.dtype(dtype))), (size,), f"{value}.rows"), form.first
