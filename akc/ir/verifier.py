# SPDX-License-Identifier: Apache-2.0
"""Is a module well formed? Names, structure, types; every fault at once, each at its place."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

import numpy as np
from attrs import define, field

from akc.base.diagnostics import Diagnostic, DiagnosticError, Note, Span
from akc.ir.fields import WeightName, fields_of
from akc.ir.module import Array, Module, Op, Sequence, Value
from akc.ir.ops import host, snn
from akc.ir.ops.akida import Layer
from akc.ir.ops.nn import Opaque
from akc.ir.signature import TypeFault, Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight


def verify(module: Module) -> list[Diagnostic]:
    """Faults and warnings (see `severity`) of a module, in text order."""
    checker = _Checker(module)
    checker.run()
    return checker.found + ([] if module.source is None else [*verify(module.source), *_other_inputs(module)])


def _other_inputs(module: Module) -> Iterator[Diagnostic]:
    """A source has the inputs of the net that stands for it."""
    assert module.source is not None
    source, wanted = module.source.net, {v.name: v.type for v in module.net.inputs}
    if {v.name: v.type for v in source.inputs} != wanted:
        yield Diagnostic(
            code="AKC0432",
            message=f"the source @{source.name} takes other inputs than @{module.net.name}, which stands for it",
            span=source.spans.get("op"),
            label=f"needed: {', '.join(f'%{name}: {kind}' for name, kind in wanted.items())}",
            help="take the source { ... } away: then nothing is fitted to it any more",
        )


@define
class _Checker:
    module: Module
    found: list[Diagnostic] = field(factory=list)
    defined: dict[str, TensorType] = field(factory=dict)
    places: dict[str, Span | None] = field(factory=dict)
    later: Mapping[str, TensorType] = field(factory=dict)
    weight_types: dict[str, TensorType] = field(factory=dict)

    def run(self) -> None:
        net = self.module.net
        self.later = net.types
        self.weight_types = {name: weight.type for name, weight in self.module.weights.items()}
        for value in net.inputs:
            self.define(value, net.spans.get(f"%{value.name}"))
        names: set[str] = set()
        for statement in net.statements:
            if isinstance(statement, Sequence):
                self.sequence(statement, names)
            else:
                if isinstance(statement, Layer):
                    self.add(
                        "AKC0108",
                        f"{statement.mnemonic} stands outside of a sequence",
                        statement,
                        help="put it into sequence @s0 { ... }",
                    )
                self.op(statement)
        self.outputs()
        self.found += _unused_weights(self.module)

    def add(self, code: str, message: str, op: Op | None, key: str = "op", **fields: object) -> None:
        span = op.span(key) if op is not None else self.module.net.spans.get(key)
        origin = op.origin if op is not None else ()
        self.found.append(Diagnostic(code=code, message=message, span=span, origin=origin, **fields))  # type: ignore[arg-type]

    def define(self, value: Value, span: Span | None) -> None:
        if value.name in self.defined:
            earlier = self.places.get(value.name)
            note = (Note(message="the first definition", span=earlier),) if earlier else ()
            self.found.append(
                Diagnostic(code="AKC0104", message=f"%{value.name} is defined twice", span=span, notes=note)
            )
        low, high = value.range or (0.0, 0.0)
        if not all(low <= top for top in (high, *dict(value.tops).values())):
            self.found.append(
                Diagnostic(code="AKC0107", message=f"the range of %{value.name} ends before it starts", span=span)
            )
        self.defined[value.name] = value.type
        self.places[value.name] = span

    def sequence(self, sequence: Sequence, names: set[str]) -> None:
        span = sequence.spans.get("op")
        if sequence.name in names:
            self.found.append(Diagnostic(code="AKC0104", message=f"@{sequence.name} is defined twice", span=span))
        if not sequence.ops:
            self.found.append(Diagnostic(code="AKC0108", message=f"sequence @{sequence.name} is empty", span=span))
        names.add(sequence.name)
        previous: Op | None = None
        for op in sequence.ops:
            if not isinstance(op, Layer | Opaque):
                self.add(
                    "AKC0108",
                    f"{op.mnemonic} stands inside a sequence",
                    op,
                    help="a sequence is one chip program: only akida layers; move it outside",
                )
            elif previous is not None and isinstance(op, Layer) and op.x != previous.name and op.x in self.defined:
                self.add(
                    "AKC0108",
                    f"the layer reads %{op.x}, not %{previous.name}, the layer before it",
                    op,
                    "x",
                    help="a sequence is a chain; start another sequence here",
                )
            self.op(op)
            previous = op
        self.leaks(sequence)

    def leaks(self, sequence: Sequence) -> None:
        """Only the last layer's result leaves the chip."""
        local = {id(op) for op in sequence.ops}
        for name in (op.name for op in sequence.ops[:-1]):
            for op in self.module.net.uses(name):
                if id(op) not in local:
                    self.add(
                        "AKC0108",
                        f"%{name} is read outside of sequence @{sequence.name}",
                        op,
                        help="only the result of a sequence's last layer leaves the chip; split the sequence there",
                    )

    def op(self, op: Op) -> None:
        self.define(op.result, op.spans.get("result"))
        known = self.operands(op) & self.weights(op)
        right = self.types(op) if known else None
        if right is not None:
            # What follows is checked against the right type, so that one slip is one message.
            self.defined[op.name] = right

    def operands(self, op: Op) -> bool:
        good = True
        for info in fields_of(type(op)):
            for name in info.kind.operands(getattr(op, info.name)):
                known = self.later if info.kind.forward else self.defined
                if name not in known or (name == op.name and not info.kind.forward):
                    good = False
                    self.add(
                        "AKC0102",
                        f"%{name} is used before it is defined",
                        op,
                        info.name,
                        label="not defined above this line",
                        help=self.where(name),
                    )
        return good

    def where(self, name: str) -> tuple[str, ...]:
        """The way out for a value that is not defined above."""
        if name in self.later:
            return (f"%{name} is defined below: move this statement behind it",)
        return _suggest(name, self.defined, "%")

    def weights(self, op: Op) -> bool:
        good = True
        for info in fields_of(type(op)):
            for name in info.kind.weights(getattr(op, info.name)):
                weight = self.module.weights.get(name)
                if weight is None:
                    good = False
                    self.add(
                        "AKC0103",
                        f"no weight is called #{name}",
                        op,
                        info.name,
                        help=_suggest(name, self.unused(), "#", 0.5) or _suggest(name, self.module.weights, "#"),
                    )
                elif info.dtypes and weight.type.dtype not in info.dtypes:
                    good = False
                    self.add(
                        "AKC0202",
                        f"{info.name} of {op.mnemonic} takes {' or '.join(info.dtypes)}",
                        op,
                        info.name,
                        label=f"this is {weight.type}",
                    )
        return good

    def unused(self) -> set[str]:
        """Weights that no operation names; one that is missing may be among them under another name."""
        return self.module.weights.keys() - {name for op in self.module.net.ops for name in op.weights_used}

    def types(self, op: Op) -> TensorType | None:
        try:
            right = op.infer(Types(ChainMap(self.defined, self.later), self.weight_types))  # type: ignore[arg-type]
        except TypeFault as fault:
            self.add(fault.code, fault.message, op, fault.key or "op", help=fault.help or ())
            return None
        if right != op.type:
            self.add("AKC0201", f"{op.mnemonic} gives {right} here", op, "type", label=f"the text says {op.type}")
        return right

    def outputs(self) -> None:
        net = self.module.net
        if len(net.outputs) != len(net.output_types):
            self.add(
                "AKC0201",
                f"{len(net.outputs)} values are returned, the signature has {len(net.output_types)}",
                None,
                "return",
            )
        for name, declared in zip(net.outputs, net.output_types, strict=False):
            if name not in self.defined:
                self.add(
                    "AKC0102",
                    f"%{name} is returned and not defined",
                    None,
                    "return",
                    help=_suggest(name, self.defined, "%"),
                )
            elif self.later[name] != declared:
                self.add("AKC0201", f"%{name} is {self.later[name]}, the signature says {declared}", None, "results")


def _suggest(name: str, known: Iterable[str], sign: str, cutoff: float = 0.6) -> tuple[str, ...]:
    close = get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return (f"did you mean {sign}{close[0]}?",) if close else ()


def verify_numbers(module: Module) -> list[Diagnostic]:
    """Faults and warnings in the numbers of the weights; decodes every payload, which `verify` does not."""
    found: list[Diagnostic] = [] if module.source is None else verify_numbers(module.source)
    for weight in module.weights.values():
        try:
            _ = None if weight.elided else weight.array
        except DiagnosticError as fault:
            found += fault.diagnostics
    if not found:
        for op in module.net.ops:
            found += _senseless(module, op)
            found += _cut_steps(module, op) if isinstance(op, Layer) else ()
    return found


def _senseless(module: Module, op: Op) -> Iterator[Diagnostic]:
    """Weights that are no numbers, and sizes of a level that are none. Neurons may have infinite thresholds."""
    for name in op.weights_used:
        weight = module.weights[name]
        if weight.type.dtype == "f32" and not weight.elided:
            numbers = weight.array.reshape(-1)
            senseless = np.isnan(numbers) if isinstance(op, snn.Neuron) else ~np.isfinite(numbers)
            if senseless.any():
                yield _not_finite(name, weight, np.flatnonzero(senseless), op)
    scale = getattr(op, "scale", None) if isinstance(op, host.Quantize | host.Dequantize) else None
    sizes = np.zeros(0) if scale is None else np.asarray(_sizes(module, scale), np.float64)
    if not (sizes > 0).all():
        message = f"scale of {op.mnemonic} is {sizes[~(sizes > 0)][0]:g}; a level has a size above 0"
        yield Diagnostic(code="AKC0107", message=message, span=op.span("scale"), origin=op.origin)


def _not_finite(name: str, weight: Weight, places: Array, op: Op) -> Diagnostic:
    return Diagnostic(
        code="AKC0207",
        message=f"#{name}: {len(places)} of {weight.type.size} numbers are not finite",
        span=weight.span and Span(weight.span.source, weight.span.start, weight.span.start + 1),
        label=f"value {places[0]} is {weight.array.reshape(-1)[places[0]]}",
        origin=op.origin,
        help="a training that diverged leaves such numbers: take an earlier state, or train with a smaller step",
    )


def _sizes(module: Module, scale: float | WeightName) -> Array | float:
    if not isinstance(scale, WeightName):
        return scale
    return np.ones(1) if module.weights[scale].elided else module.array(scale)


def _cut_steps(module: Module, op: Layer) -> Iterator[Diagnostic]:
    """A warning where the chip keeps less of an act_step than the text says."""
    if op.act_step is None or not op.activation or module.weights[op.act_step].elided:
        return
    weight = module.weights[op.act_step]
    sixteenths = weight.array.astype(np.float64) * 16
    cut = np.flatnonzero(np.isfinite(sixteenths) & (sixteenths != np.floor(sixteenths)))
    if cut.size:
        first = int(cut[0])
        yield Diagnostic(
            code="AKC0205",
            severity="warning",
            span=weight.span and Span(weight.span.source, weight.span.start, weight.span.start + 1),
            message=f"#{op.act_step}: {cut.size} of {weight.type.size} steps are cut to sixteenths",
            label=f"value {first}: {weight.array[first]} becomes {np.floor(sixteenths[first]) / 16:.11g}",
            origin=op.origin,
        )


def _unused_weights(module: Module) -> Iterator[Diagnostic]:
    used = {name for op in module.net.ops for name in op.weights_used}
    opaque = any(isinstance(op, Opaque) for op in module.net.ops)
    for name, weight in module.weights.items():
        if name not in used and not opaque:
            span = weight.span and Span(weight.span.source, weight.span.start, weight.span.start + 1)
            yield Diagnostic(
                code="AKC0206",
                severity="warning",
                message=f"#{name} is not used",
                span=span,
                help="passes drop it; delete it here if it is not needed",
            )
