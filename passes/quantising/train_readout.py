# SPDX-License-Identifier: Apache-2.0
"""train-readout: a dense read-out behind the network, trained on labelled samples by ridge regression."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import error
from akc.ir.module import Module, Op, Value, fresh_name
from akc.ir.ops import host, nn
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.shared.contract import PassContext, Progress, Reads, Samples
from akc.passes.shared.numbers.evaluate import Array, sample_inputs
from akc.sim.run import Runner

Floats = npt.NDArray[np.float64]

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""What strength=0 tries on the samples held out."""


@frozen
class TrainReadout:
    """Put a dense layer behind the network's result, one output a class, and train it: an echo state network's
    only learned part, or a new end for a network that lost some of its layers.

    A result over time is summed over `windows` windows first, side by side. A last quarter of the samples tells how
    well the read-out does (and chooses strength=0); then it is trained on all of them.
    """

    name = "train-readout"
    requires = None
    ensures = None
    preserves = "approximation"
    measure = "the share of right answers on samples held out"
    reads: ClassVar[tuple[Reads, ...]] = ("samples", "labels")

    windows: int = field(default=1, validator=validators.ge(1))
    """Windows of a result over time, whose sums the read-out sees."""

    strength: float = field(default=1.0, validator=validators.ge(0))
    """Strength of the ridge, for a thousand samples of features with a variance of 1; 0: the best of a few."""

    replace: bool = False
    """Whether a dense layer at the end is taken away first, and its place taken."""

    layer: str = "readout"
    """The name of the new layer."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with its read-out; raises DiagnosticError AKC0412 without labels, AKC0410 if they do not fit."""
        if context.samples is None or context.labels is None:
            raise error(
                "AKC0412",
                "train-readout needs samples with their classes",
                help="--calibrate samples.npz with an array `labels`; labels= in Python",
            )
        module = _without_last(module) if self.replace else module
        module = framed(module, self.windows)
        labels = np.asarray(context.labels).astype(np.int64)
        features = self.features(module, context.samples, len(labels), context.progress)
        held = max(1, len(labels) // 4)
        score, strength = self.tried(features, labels, held)
        context.report("train-readout", Trained(score, held, len(labels), strength))
        return with_dense(module, *_trained(features, labels, strength), self.layer)

    def features(self, module: Module, samples: Samples, count: int, progress: Progress) -> Array:
        """The network's result on all samples, [n, features]."""
        inputs = sample_inputs(module, samples, count)
        found = len(next(iter(samples.values())))
        if found != count:
            raise error("AKC0410", f"there are {found} samples and {count} labels")
        runner, parts = Runner(module), []
        for start in range(0, count, PIECE):
            piece = {name: array[start : start + PIECE] for name, array in inputs.items()}
            parts.append(next(iter(runner.run(piece).values())).reshape(min(PIECE, count - start), -1))
            progress(min(start + PIECE, count), count, "running the network")
        return np.concatenate(parts)

    def tried(self, features: Array, labels: Array, held: int) -> tuple[float, float]:
        """Share of right answers on the samples held out, and the strength that reached it."""
        best = (-1.0, self.strength)
        for strength in (self.strength,) if self.strength else STRENGTHS:
            weight, bias = _trained(features[:-held], labels[:-held], strength, int(labels.max()) + 1)
            right = float(((features[-held:] @ weight.T + bias).argmax(axis=1) == labels[-held:]).mean())
            best = max(best, (right, strength), key=lambda one: one[0])
        return best


PIECE = 256
"""Samples that are run at once."""


@frozen
class Trained:
    """What training found: the share of right answers on `held_out` samples, which the first training did not see."""

    right: float
    held_out: int
    samples: int
    strength: float

    def __str__(self) -> str:
        return f"{self.right:.1%} right on {self.held_out} of {self.samples} samples, held out; ridge {self.strength:g}"


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


def _trained(features: Array, labels: Array, strength: float, classes: int | None = None) -> tuple[Array, Array]:
    """A read-out onto one-hot classes, the ridge in units of the features' variance and of the samples."""
    targets = np.eye(classes or int(labels.max()) + 1)[labels]
    spread = float(features.astype(np.float64).var(axis=0).mean()) or 1.0
    return ridge(features, targets, strength * spread * len(features) / 1000)


def _without_last(module: Module) -> Module:
    """The module without the dense layer that gives its result, and without what follows that layer."""
    net, name = module.net, module.net.outputs[0]
    last = net.producer(name)
    while last is not None and not isinstance(last, nn.Dense):
        last = net.producer(last.operands[0]) if last.operands else None
    if last is None:
        raise error(
            "AKC0410", f"no dense layer leads to %{name}, so that none can be replaced", help="leave replace away"
        )
    kept = [s for s in net.statements if not isinstance(s, Op) or _is_before(s, last, module)]
    return module.with_statements(kept, module.weights, outputs=(last.x,), output_types=(net.types[last.x],))


def _is_before(op: Op, last: Op, module: Module) -> bool:
    """Whether an op is above `last`, or in a loop that it reads."""
    names = [one.name for one in module.net.ops]
    return names.index(op.name) < names.index(last.name)


def framed(module: Module, windows: int) -> Module:
    """A result over time as sums over windows, side by side; any other module as it is."""
    net, source = module.net, module.net.outputs[0]
    kind = net.types[source]
    if kind.steps is None:
        return module
    sums = Value(fresh_name(f"{source}_windows", net.values), evolve(kind, steps=windows))
    rows = Value(fresh_name(f"{source}_frames", net.values), TensorType(kind.dtype, (windows, *kind.shape)))
    added = (host.Window(result=sums, x=source, count=windows), host.Frames(result=rows, x=sums.name))
    return module.with_statements(
        (*net.statements, *added), module.weights, outputs=(rows.name,), output_types=(rows.type,)
    )


def with_dense(module: Module, weight: Array, bias: Array, name: str = "readout") -> Module:
    """The module with a dense layer behind its first result, flattened where it is no vector."""
    net, source = module.net, module.net.outputs[0]
    statements, kind = list(net.statements), net.types[source]
    if len(kind.shape) != 1:
        flat = Value(fresh_name(f"{source}_flat", net.values), TensorType("f32", (kind.size,), kind.steps))
        statements.append(nn.Reshape(result=flat, x=source, shape=(kind.size,)))
        source = flat.name
    weights = dict(module.weights)
    keys = {key: fresh_name(f"{name}.{key}", weights) for key in ("weight", "bias")}
    weights |= {keys["weight"]: Weight.of(weight, "f32"), keys["bias"]: Weight.of(bias, "f32")}
    result = Value(fresh_name(name, net.values), TensorType("f32", (len(weight),), kind.steps))
    statements.append(nn.Dense(result=result, x=source, weight=keys["weight"], bias=keys["bias"], origin=(name,)))
    return module.with_statements(statements, weights, outputs=(result.name,), output_types=(result.type,))
