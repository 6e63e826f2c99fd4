# SPDX-License-Identifier: Apache-2.0
"""Read-outs of reservoirs, fitted by ridge regression: the only part of an echo state network that is trained.

states = akc.sim.run.run(reservoir, samples)        # any module whose result is a vector of features
network = train_readout(reservoir, samples, labels)  # the same module with a dense layer behind it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve

from akc.diagnostics import error
from akc.ir.module import Module, Value, fresh_name
from akc.ir.ops import nn
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.sim.run import run

Array = npt.NDArray[Any]


def ridge(features: Array, targets: Array, strength: float = 1.0) -> tuple[Array, Array]:
    """Weights [outputs, features] and bias [outputs] of the straight map with the least square error plus
    strength times the squared weights.

    features: [n, features]; targets: [n, outputs]. The bias is not held small.
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    centred = x - x_mean
    if len(x) < x.shape[1]:
        dual = np.linalg.solve(centred @ centred.T + strength * np.eye(len(x)), y - y_mean)
        weights = dual.T @ centred
    else:
        moments = centred.T @ centred + strength * np.eye(x.shape[1])
        weights = np.linalg.solve(moments, centred.T @ (y - y_mean)).T
    return weights.astype(np.float32), (y_mean - weights @ x_mean).astype(np.float32)


def train_readout(
    module: Module, samples: Mapping[str, Array] | Array, labels: Array, strength: float = 1.0, name: str = "readout"
) -> Module:
    """The module with a dense read-out behind its result, one output a class.

    samples: inputs of the module, batch axis first; labels: class of each sample. strength: of the ridge, for
    features scaled to a variance of 1 on average. Raises DiagnosticError AKC0703 where the counts differ.
    """
    result = module.net.outputs[0]
    features = run(module, samples)[result]
    if len(features) != len(labels):
        raise error("AKC0703", f"there are {len(features)} samples and {len(labels)} labels")
    flat = features.reshape(len(features), -1)
    targets = np.eye(int(np.max(labels)) + 1)[np.asarray(labels, np.int64)]
    spread = float(flat.astype(np.float64).var(axis=0).mean()) or 1.0
    weight, bias = ridge(flat, targets, strength * spread * len(flat) / 1000)
    return with_dense(module, weight, bias, name)


def with_dense(module: Module, weight: Array, bias: Array, name: str = "readout") -> Module:
    """The module with a dense layer behind its first result, flattened where it is no vector."""
    net, source = module.net, module.net.outputs[0]
    statements, kind = list(net.statements), net.types[source]
    if len(kind.shape) != 1:
        flat = fresh_name(f"{source}_flat", net.values)
        statements.append(nn.Reshape(result=Value(flat, TensorType("f32", (kind.size,), kind.steps)), x=source,
                                     shape=(kind.size,)))  # fmt: skip
        source = flat
    weights = dict(module.weights)
    keys = {key: fresh_name(f"{name}.{key}", weights) for key in ("weight", "bias")}
    weights |= {keys["weight"]: Weight.of(weight, "f32"), keys["bias"]: Weight.of(bias, "f32")}
    result = Value(fresh_name(name, net.values), TensorType("f32", (len(weight),), kind.steps))
    statements.append(nn.Dense(result=result, x=source, weight=keys["weight"], bias=keys["bias"], origin=(name,)))
    changed = evolve(module, weights=weights)
    return changed.with_statements(statements, weights, outputs=(result.name,), output_types=(result.type,))
