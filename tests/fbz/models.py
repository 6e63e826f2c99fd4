# SPDX-License-Identifier: Apache-2.0
"""Small models for the .fbz tests, and ways to spoil them before they are packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from attrs import evolve

from akc.fbz import layers as described
from akc.fbz import to_buffer, writer
from akc.fbz.layers import FileLayer
from akc.ir.module import Module
from tests.sim.texts import net


def small() -> Module:
    """A convolution and a last dense layer that gives potentials."""
    body = """  sequence @s0 {
    %c = akida.convolutional(%x, weights=#c, threshold=#t, stride=[2, 1], act_bits=4) : u4[2, 2, 2] from "conv/1"
    %p = akida.fully_connected(%c, weights=#f, act_step=#s, activation=false) : i32[1, 1, 3]
  }
  %y = host.decode(%p, act_step=#s) : f32[3]"""
    kernels = " ".join(str(n % 7 - 3) for n in range(2 * 9))
    dense = " ".join(str(n % 15 - 7) for n in range(3 * 8))
    weights = (
        f'#c : i4[2, 3, 3, 1] = dec "{kernels}"\n#t : i32[2] = dec "5 -70000"\n#f : i4[3, 8] = dec "{dense}"\n'
        '#s : f32[3] = dec "1 2.5 100"'
    )
    return net("%x: u4[4, 2, 1]) -> f32[3]", body, weights)


def learner() -> Module:
    """A dense layer with edge learning."""
    body = """  sequence @s0 {
    %y = akida.fully_connected(%x, weights=#w, learning=akida_unsupervised(num_weights=2, num_classes=2)) : u1[1, 1, 4]
  }"""
    return net("%x: u1[1, 1, 3]) -> u1[1, 1, 4]", body, '#w : u1[4, 3] = dec "1 1 0 0 1 1 1 0 1 0 0 0"')


def packed(buffer: bytes) -> bytes:
    """A file of this content."""
    return bytes(cramjam.snappy.compress_raw(buffer))


Change = Callable[[FileLayer], FileLayer]


def spoiled(monkeypatch: pytest.MonkeyPatch, index: int, change: Change, module: Module | None = None) -> bytes:
    """The file of a model, one of its layers changed."""
    module = module or small()
    layers = list(described.file_layers(module))
    layers[index] = change(layers[index])
    monkeypatch.setattr(writer, "file_layers", lambda given: tuple(layers))
    data = packed(to_buffer(module))
    monkeypatch.undo()
    return data


def parameters(**changes: int | None) -> Change:
    """Set parameters; None takes one away."""

    def change(layer: FileLayer) -> FileLayer:
        kept = {**layer.parameters, **changes}
        return evolve(layer, parameters={key: value for key, value in kept.items() if value is not None})

    return change


def variable(name: str, /, **changes: Any) -> Change:
    """Change a variable."""

    def change(layer: FileLayer) -> FileLayer:
        return evolve(layer, variables=tuple(evolve(v, **changes) if v.name == name else v for v in layer.variables))

    return change


def without(name: str) -> Change:
    """Take a variable away."""
    return lambda layer: evolve(layer, variables=tuple(v for v in layer.variables if v.name != name))
