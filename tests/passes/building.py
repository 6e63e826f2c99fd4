# SPDX-License-Identifier: Apache-2.0
"""Small float networks for tests of passes, layer by layer, with seeded weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.compiler.pipeline import Context
from akc.ir.fields import WeightName
from akc.ir.module import Module, Net, Op, Value
from akc.ir.ops import nn
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.sim.run import run


class Building:
    """A chain of float ops under construction. Weights are multiples of 1/8, so that folding is exact."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.input = Value("image", TensorType("f32", shape))
        self.ops: list[Op] = []
        self.weights: dict[str, Weight] = {}

    @property
    def last(self) -> Value:
        """The value that the next op reads."""
        return self.ops[-1].result if self.ops else self.input

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of that value."""
        return self.last.type.shape

    def eighths(self, name: str, shape: tuple[int, ...], low: int = -8, high: int = 8) -> str:
        """Store random multiples of 1/8."""
        self.weights[name] = Weight.of(self.random.integers(low, high + 1, shape) / 8, "f32")
        return name

    def add(self, kind: type[Op], name: str | None = None, **fields: Any) -> Building:
        """Append an op that reads the last value."""
        name = name or f"{kind.mnemonic.removeprefix('nn.')}{len(self.ops)}"
        draft = kind(result=Value(name, TensorType("f32", ())), x=self.last.name, origin=(f"/{name}",), **fields)
        values = {v.name: v.type for v in (self.input, *(op.result for op in self.ops))}
        kind_of_result = draft.infer(Types(values, {n: w.type for n, w in self.weights.items()}))
        self.ops.append(evolve(draft, result=Value(name, kind_of_result)))
        return self

    def conv(
        self, filters: int, k0: int, k1: int | None = None, bias: bool = True, groups: int = 1, **fields: Any
    ) -> Building:
        """Append nn.conv."""
        name = f"conv{len(self.ops)}"
        size = (filters, k0, k1 or k0, self.shape[2] // groups)
        weight = self.eighths(f"{name}.weight", size)
        if bias:
            fields["bias"] = self.eighths(f"{name}.bias", (filters,))
        return self.add(nn.Conv, name, weight=weight, groups=groups, **fields)

    def dense(self, units: int) -> Building:
        """Append nn.dense."""
        name = f"fc{len(self.ops)}"
        weight = self.eighths(f"{name}.weight", (units, self.shape[-1]))
        return self.add(nn.Dense, name, weight=weight, bias=self.eighths(f"{name}.bias", (units,)))

    def batch_norm(self) -> Building:
        """Append nn.batch_norm."""
        name, channels = f"bn{len(self.ops)}", (self.shape[-1],)
        return self.add(
            nn.BatchNorm,
            name,
            scale=self.eighths(f"{name}.scale", channels, 1, 8),
            shift=self.eighths(f"{name}.shift", channels),
            mean=self.eighths(f"{name}.mean", channels),
            variance=self.eighths(f"{name}.variance", channels, 2, 16),
        )

    def affine(self, scale: float | list[float], shift: float | list[float]) -> Building:
        """Append nn.affine."""
        name = f"affine{len(self.ops)}"
        fields: dict[str, Any] = {}
        for key, value in (("scale", scale), ("shift", shift)):
            fields[key] = value
            if isinstance(value, list):
                self.weights[f"{name}.{key}"] = Weight.of(np.array(value), "f32")
                fields[key] = WeightName(f"{name}.{key}")
        return self.add(nn.Affine, name, **fields)

    def relu(self) -> Building:
        """Append nn.relu."""
        return self.add(nn.Relu)

    def max_pool(self, size: int = 2, stride: int | None = None, **fields: Any) -> Building:
        """Append nn.max_pool."""
        return self.add(nn.MaxPool, size=(size, size), stride=(stride or size,) * 2, **fields)

    def average_pool(self, size: int = 2, **fields: Any) -> Building:
        """Append nn.average_pool."""
        return self.add(nn.AveragePool, size=(size, size), stride=(size, size), **fields)

    def flatten(self) -> Building:
        """Append nn.reshape to a vector."""
        return self.add(nn.Reshape, shape=(int(np.prod(self.shape)),))

    def look(self) -> Building:
        """Flatten and append a dense layer that is the identity, so that every cell of a map is seen."""
        self.flatten()
        size, name = self.shape[0], f"look{len(self.ops)}"
        self.weights[f"{name}.weight"] = Weight.of(np.eye(size), "f32")
        return self.add(nn.Dense, name, weight=f"{name}.weight")

    def module(self) -> Module:
        """The network."""
        net = Net(
            name="test",
            inputs=(self.input,),
            statements=tuple(self.ops),
            outputs=(self.last.name,),
            output_types=(self.last.type,),
        )
        return Module(net=net, weights=dict(self.weights))


def images(module: Module, count: int = 4, seed: int = 1, low: float = 0.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Random inputs from `low` to 1."""
    shape = module.net.inputs[0].type.shape
    numbers: np.ndarray[Any, np.dtype[np.float32]] = np.random.default_rng(seed).random((count, *shape), np.float32)
    return numbers * np.float32(1 - low) + np.float32(low)


def outputs(module: Module, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The first output for inputs."""
    return next(iter(run(module, {module.net.inputs[0].name: x}).values()))


def assert_same(before: Module, after: Module, tolerance: float = 1e-5, low: float = 0.0) -> None:
    """Both give the same numbers, every cell of them, to float rounding; inputs lie between `low` and 1."""
    x = images(before, low=low)
    want, got = outputs(before, x), outputs(after, x)
    assert got.shape == want.shape
    assert np.abs(want).max() > 0
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * float(np.abs(want).max()))


def context(**fields: Any) -> Context:
    """A context without samples, unless given."""
    return Context(**fields)


def sampled(module: Module, count: int = 64) -> Context:
    """A context with random samples for the input."""
    return Context(samples={module.net.inputs[0].name: images(module, count, seed=2)})
