# SPDX-License-Identifier: Apache-2.0
"""legalize: refuse what the chip cannot take, all faults at once, each by the name that its user knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.levels import level_of, reaches
from akc.ir.module import Module, Op
from akc.ir.opaque import UNKNOWN, opaque_kind
from akc.ir.ops import host, nn, nn_recurrent, snn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.chains import Chain, Segment, split
from akc.passes.shared.rewriting.legal_layers import segment_faults
from akc.passes.shared.rewriting.named_groups import with_named_groups
from akc.targets import Target

SNN = tuple(item for item in vars(snn).values() if isinstance(item, type) and issubclass(item, Op) and item.mnemonic)


@frozen
class Legalize:
    """Check that the chip can take the network; change nothing.

    A float network is checked layer by layer, a quantised one by the limits of the target. With --host=allow
    only what akc has no operation for is refused: the rest is the host's where the chip does not take it.
    """

    name = "legalize"
    requires = None
    ensures = "mappable"
    preserves = "values"
    reads = ("host",)

    def run(self, module: Module, context: PassContext) -> Module:
        """The same module; raises DiagnosticError with every fault, and passes the target's warnings on."""
        faults = list(float_faults(module, context.target, context.host == "allow"))
        if reaches(level_of(module), "quantised"):
            found = context.target.check(module)
            if context.host != "allow":
                faults += [d for d in found if d.severity == "error"]
            for diagnostic in found:
                if diagnostic.severity != "error":
                    context.warn(diagnostic)
        if faults:
            raise DiagnosticError(faults)
        return module


def float_faults(module: Module, target: Target, host_allowed: bool = False) -> Iterator[Diagnostic]:
    """Every float operation that neither the chip nor the border can take; opaque ones always."""
    without = {op.name for op in module.net.ops if isinstance(op, nn.Opaque)}
    if not host_allowed:
        module = with_named_groups(module)
    chain = split(module)
    unknown = [op for op in module.net.ops if isinstance(op, nn.Opaque) and opaque_kind(op.op) is UNKNOWN]
    if len(unknown) > 1:
        yield _many_unknown(unknown)
    for op in module.net.ops:
        if len(unknown) > 1 and any(op is one for one in unknown):
            continue
        if isinstance(op, nn.Opaque) or (isinstance(op, nn_recurrent.Recurrent) and not host_allowed):
            yield _unknown(op, op.name not in without, target.title)
    if host_allowed:
        return
    yield from _branches(module, target.title)
    refused = {op.name for op in module.net.ops if isinstance(op, nn.Opaque | nn_recurrent.Recurrent)}
    for index, part in enumerate(chain.parts):
        if isinstance(part, Segment):
            yield from segment_faults(part, module, target.numbers)
        elif not isinstance(part, (nn.Opaque, nn_recurrent.Recurrent, snn.Neuron, *SNN)):
            consequence = refused.intersection(part.operands) or _leads_to(part, refused, module)
            found = () if consequence else tuple(_stray(part, chain, index, target.title))
            refused |= {part.name} if consequence or found else set()
            yield from found


def _leads_to(op: Op, refused: set[str], module: Module) -> bool:
    """Whether layout stands in front of nothing but operations that are refused themselves."""
    readers = module.net.uses(op.name)
    layout = isinstance(op, nn.Reshape | nn.Permute)
    return layout and bool(readers) and all(r.name in refused or _leads_to(r, refused, module) for r in readers)


ON_HOST = "or --host=allow: the host computes it, the chip the layers around it"


def _unknown(op: nn.Opaque | nn_recurrent.Recurrent, for_host: bool, chip: str) -> Diagnostic:
    """for_host: whether akc has an operation for it, which the host runs where it may."""
    if isinstance(op, nn.Opaque):
        kind = opaque_kind(op.op)
        message = f"{op.op} (%{op.name}) is no layer that {chip} has: {kind.why}"
        ways = (kind.way_out, *((ON_HOST,) * for_host))
        return Diagnostic(code="AKC0420", message=message, span=op.span(), origin=op.origin, help=ways)
    return Diagnostic(
        code="AKC0421",
        message=f"{op.layer_name} (%{op.name}) keeps state over time, layers of {chip} keep none",
        span=op.span(),
        origin=op.origin,
        help=(
            "--host=allow: the host computes it, the chip the layers around it",
            "or -O 'drop-lstm{by=mean}' leaves it out and warns",
            "or train again without it, such as with convolutions over time",
        ),
    )


def _many_unknown(ops: list[nn.Opaque]) -> Diagnostic:
    """One error for all operations that akc knows nothing of: a framework that it does not read."""
    counts = Counter(op.op for op in ops)
    names = ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in counts.items())
    return Diagnostic(
        code="AKC0420",
        message=f"{len(ops)} operations are none that akc knows: {names}",
        span=ops[0].span(),
        origin=ops[0].origin,
        help=(UNKNOWN.way_out, "docs/frontends lists the frameworks and layers that are read"),
    )


def _branches(module: Module, chip: str) -> Iterator[Diagnostic]:
    """Values that are read twice, and nets with several inputs."""
    for value in module.net.values.values():
        readers = module.net.uses(value.name)
        opaque = any(isinstance(r, nn.Opaque) for r in readers)
        if len(readers) > 1 and not opaque and all(r.mnemonic.startswith("nn.") for r in readers):
            maker = module.net.producer(value.name)
            yield Diagnostic(
                code="AKC0425",
                message=f"%{value.name} is read by {' and '.join(f'%{r.name}' for r in readers)}",
                span=maker.span() if maker else None,
                origin=maker.origin if maker else (),
                help=(f"{chip} has no branches: compile the branches as networks of their own", ON_HOST),
            )


def _stray(op: Op, chain: Chain, index: int, chip: str) -> Iterator[Diagnostic]:
    """An op that is part of no layer: fine at the border, a fault between layers."""
    before = any(isinstance(p, Segment) for p in chain.parts[:index])
    behind = any(isinstance(p, Segment) for p in chain.parts[index + 1 :])
    at_border = op.border and not (before and behind)
    scales_input = isinstance(op, nn.Affine) and not before and isinstance(op.shift, float) and op.shift >= 0
    shifts_results = isinstance(op, nn.Affine) and before and not behind
    if at_border or scales_input or shifts_results or isinstance(op, host.Quantize | host.Decode | host.Dequantize):
        return
    rule = next((row for row in STRAY if isinstance(op, row.kind)), None)
    if rule is None and not op.border:
        return
    rule = rule or LAYOUT
    yield Diagnostic(
        code=rule.code,
        message=f"%{op.name}: {rule.message(op).format(chip=chip)}",
        span=op.span(),
        origin=op.origin,
        help=(rule.help, ON_HOST),
    )


@frozen
class Stray:
    """What to say about an op of this kind that is part of no layer; {chip} is the chip's name."""

    kind: type[Op] | tuple[type[Op], ...]
    code: str
    message: Callable[[Op], str]
    help: str


STRAY = (
    Stray(
        (nn.BatchNorm, nn.Affine),
        "AKC0426",
        lambda op: "this normalisation has no layer to be folded into",
        "put it in front of the activation, directly behind a convolution or a dense layer; or normalise the input "
        "outside of the network",
    ),
    Stray(
        (nn.Relu, nn.Clip),
        "AKC0424",
        lambda op: "an activation without a layer in front of it",
        "levels are 0 or more already; remove it, or put a layer in front",
    ),
    Stray(
        (nn.MaxPool, nn.AveragePool, nn.Mean),
        "AKC0423",
        lambda op: "a pool without a convolution in front of it",
        "put a convolution directly in front of it",
    ),
    Stray(
        (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.Argmax),
        "AKC0420",
        lambda op: f"{op.mnemonic.removeprefix('nn.')} between layers is nothing that {{chip}} computes",
        "it can stand at the very end, where the host computes it",
    ),
)
LAYOUT = Stray(
    Op,
    "AKC0427",
    lambda op: "layout between two layers that neither can absorb",
    "keep the order of axes between the layers, and flatten once, in front of the dense layers",
)
