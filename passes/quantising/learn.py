# SPDX-License-Identifier: Apache-2.0
"""learn: a last dense layer becomes one that learns on the chip."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.module import Module, Op, Value
from akc.ir.ops.akida import FullyConnected, Layer, Learning
from akc.ir.ops.host import Decode
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.shared.contract import PassContext

SHARE = validators.and_(validators.ge(0.0), validators.le(1.0))


@frozen
class Learn:
    """Make the last dense layer a learning one, as the vendor's `Model.compile(AkidaUnsupervised(...))` does.

    The layer in front gives 1 bit from then on, which is whether its potential exceeds its threshold. The weights
    are drawn anew, `num_weights` ones a unit, and with the old ones threshold and act_step fall away; weights
    of 1 bit with so many ones are kept. Raises DiagnosticError AKC0516 and AKC0519.
    """

    name = "learn"
    requires = "quantised"
    ensures = None
    preserves = "approximation"
    measure = "none: the last layer's weights are one bit, and learning changes them"
    reads = ()

    num_weights: int = field(default=16, validator=validators.ge(1))
    """Ones of each unit: about as many as inputs are active in a typical sample of one class."""

    num_classes: int = field(default=1, validator=validators.ge(1))
    """Classes that share the units evenly; 1 learns without labels."""

    initial_plasticity: float = field(default=1.0, validator=SHARE)
    """Share of its ones that a fresh unit may move in one step."""

    learning_competition: float = field(default=0.0, validator=SHARE)
    """Share of its ones that a learned threshold stays below."""

    min_plasticity: float = field(default=0.1, validator=SHARE)
    """Share of its ones that a unit may always move. 0.1 is taken as float32 has it, as in the SDK."""

    plasticity_decay: float = field(default=0.25, validator=SHARE)
    """Share of the initial plasticity that each step takes away."""

    seed: int = 0
    """Of the generator that draws the first weights."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module whose last layer learns; the very same where it did already."""
        op = _last_layer(module)
        if op.learning is not None:
            return module
        source = module.net.producer(op.x)
        _check(self, module, op, source)
        weights = dict(module.weights)
        kept = _has_ones(module, op, self.num_weights)
        fields: dict[str, Any] = {"learning": self._settings()}
        if not kept:
            weights[op.weights] = Weight.of(_draw(op, module, self.num_weights, self.seed), "u1")
            fields |= {"threshold": None, "act_step": None}
        changed: dict[str, Op] = {op.name: evolve(op, result=evolve(op.result, range=None), **fields)}
        if isinstance(source, Layer):
            result = Value(source.name, TensorType("u1", source.type.shape, source.type.steps))
            changed[source.name] = evolve(source, act_bits=1, result=result)
        if not kept:
            decoders = [one for one in module.net.uses(op.name) if isinstance(one, Decode)]
            changed |= {d.name: evolve(d, threshold=None, act_step=None, factor=1.0) for d in decoders}
        edited = evolve(module, weights=weights).map_ops(lambda one: changed.get(one.name, one))
        return edited.with_statements(edited.net.statements)

    def _settings(self) -> Learning:
        low = float(np.float32(0.1)) if self.min_plasticity == 0.1 else self.min_plasticity
        return Learning(
            num_weights=self.num_weights,
            num_classes=self.num_classes,
            initial_plasticity=self.initial_plasticity,
            learning_competition=self.learning_competition,
            min_plasticity=low,
            plasticity_decay=self.plasticity_decay,
        )


def _last_layer(module: Module) -> FullyConnected:
    layers = [op for op in module.net.ops if isinstance(op, Layer)]
    last = layers[-1] if layers else None
    if isinstance(last, FullyConnected):
        return last
    found = "there is none" if last is None else f"the last one is {last.mnemonic} %{last.name}"
    help = "flatten and end in a dense layer; its units become the learning ones"
    raise error("AKC0519", f"only a last fully connected layer can learn; {found}", help=help,
                origin=() if last is None else last.origin)  # fmt: skip


def _check(options: Learn, module: Module, op: FullyConnected, source: Op | None) -> None:
    """Raise every fault of the layer and its input."""
    units, inputs = module.weights[op.weights].type.shape
    x = module.net.types[op.x]
    binary = x.dtype == "u1" or (isinstance(source, Layer) and len(module.net.uses(op.x)) == 1)
    faults = (
        (
            not binary,
            f"its input %{op.x} is {x}, and no layer of its own gives it",
            "quantize the input to 1 bit, or put a layer in front",
        ),
        (
            options.num_weights > inputs,
            f"num_weights is {options.num_weights}, it has {inputs} inputs",
            "take num_weights up to the number of inputs",
        ),
        (
            units % options.num_classes != 0,
            f"its {units} units cannot be shared out to {options.num_classes} classes",
            "take units that are a multiple of num_classes",
        ),
    )
    found = [
        Diagnostic(
            code="AKC0516",
            message=f"{op.mnemonic} %{op.name} cannot learn: {what}",
            span=op.span(),
            origin=op.origin,
            help=help,
        )
        for bad, what, help in faults
        if bad
    ]
    if found:
        raise DiagnosticError(found)


def _has_ones(module: Module, op: FullyConnected, count: int) -> bool:
    """Whether the weights are those of a learning layer already."""
    return module.weights[op.weights].type.dtype == "u1" and bool((module.array(op.weights).sum(axis=1) == count).all())


def _draw(op: FullyConnected, module: Module, count: int, seed: int) -> np.ndarray[Any, Any]:
    """0 or 1 [units, inputs], `count` ones in each row."""
    units, inputs = module.weights[op.weights].type.shape
    order = np.random.default_rng(seed).random((units, inputs)).argsort(axis=1)
    return (order < count).astype(np.uint8)
