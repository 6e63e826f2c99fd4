# SPDX-License-Identifier: Apache-2.0
"""lower-int4: float layers become chip layers with whole-number weights, thresholds and steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op, Sequence, Statement, Value, fresh_name, merged_comments, merged_origin
from akc.ir.ops import akida, host, nn, nn_host
from akc.ir.ops.nn_host import HostLayer
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.bytes_as_they_are import MOVES, bytes_as_they_are
from akc.passes.shared.numbers.evaluate import Array, Stream, evaluate_alone, sample_inputs, values
from akc.passes.shared.numbers.layer import Choices, Layer, Numbers, Observed, chip_levels
from akc.passes.shared.numbers.named_layers import check_named, is_named, names_in
from akc.passes.shared.numbers.quantisation import Levels, input_levels, quantized, shifted_levels
from akc.passes.shared.numbers.quantise_layer import chip_layer, quantise
from akc.passes.shared.numbers.quantise_trained import trained_numbers, why_not_kept
from akc.passes.shared.numbers.source_levels import SourceLevels, source_levels, tell_kept, without_quantisers
from akc.passes.shared.numbers.trained import Kept
from akc.passes.shared.rewriting.chains import Chain, Group, Segment
from akc.passes.shared.rewriting.geometry import ImagePlan, image_plan
from akc.passes.shared.rewriting.legal_chain import legal_chain
from akc.passes.shared.rewriting.split_signs import with_split_signs
from akc.targets import Numbers as ChipNumbers

BITS = validators.in_((1, 2, 4))


@frozen
class LowerInt4:
    """Quantise: host.quantize in front, an akida layer for each float layer, host.decode behind.

    Each layer stands in a sequence of its own. Needs the ranges that calibrate records. With samples, the
    layers already quantised run on them, and rounding and biases of the next layer make up for what they lost.
    """

    name = "lower-int4"
    requires = "mappable"
    ensures = "quantised"
    preserves = "approximation"
    measure = "the share of same answers on samples held out; each layer's root mean square error in levels"
    reads = ("samples", "host")

    weights: int | None = field(default=None, validator=validators.optional(BITS))
    """Bits of a weight: 1 (0 and 1), 2 (-1 to 1) or 4 (-7 to 7); none: as many as the chip has, 4 on an AKD1000. The
    image layer has its own, 8."""

    two_bits: str = ""
    """Layers whose weights have 2 bits, whatever the others have: their names with a plus between, as conv7+conv8."""

    activations: int | None = field(default=None, validator=validators.optional(BITS))
    """Bits of a level; none: as many as the chip has, 4 on an AKD1000."""

    input: int | None = field(default=None, validator=validators.optional(validators.in_((1, 2, 4, 8))))
    """Bits of the input; none: 8 where the image layer can take it, else as many as activations."""

    per: str = field(default="channel", validator=validators.in_(("channel", "layer")))
    """What has a weight step of its own: channel (filter or unit), or layer."""

    scale: str = field(default="mse", validator=validators.in_(("max", "mse")))
    """The weight step: max, the largest weight is just representable; mse, least mean square error."""

    rounding: str = field(default="auto", validator=validators.in_(("auto", "nearest", "error-feedback")))
    """nearest; error-feedback, which needs samples; auto: error-feedback if there are samples."""

    samples: int = field(default=512, validator=validators.gt(0))
    """How many of the samples are used, from the first."""

    requantise: bool = False
    """Whether layers that the source had quantised are quantised again; else their weights and levels stay."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The quantised module; raises DiagnosticError with every layer that has no range or no chip form."""
        chip = context.target.numbers
        if not legal_chain(module, chip).segments:
            return module
        options = self.on(chip, context.target.title)
        if self.rounding == "error-feedback" and context.samples is None:
            raise DiagnosticError(
                Diagnostic(
                    code="AKC0412",
                    message="rounding=error-feedback needs calibration samples",
                    help=("give --calibrate samples.npz", "use rounding=nearest"),
                )
            )
        module = _ranged_for(without_quantisers(module) if self.requantise else module, options.activations)
        _check_ranges(legal_chain(module, chip), module)
        module = with_split_signs(module, chip) if context.host == "allow" else module
        chain = legal_chain(module, chip)
        check_named(names_in(self.two_bits), chain)
        lowering = _Lowering(options, module, chain, context)
        lowered = bytes_as_they_are(lowering.run())
        tell_kept(lowering.kept, context)
        return lowered

    def on(self, chip: ChipNumbers, title: str) -> _Options:
        """The options for a chip; raises DiagnosticError AKC0404 with every width that it does not have."""
        front = chip.widths if chip.image is None else (*chip.widths, chip.image.bits)
        wanted = (("weights", self.weights, chip.widths), ("activations", self.activations, chip.widths))
        faults = [
            Diagnostic(code="AKC0404", message=f"{self.name}: {key}={bits}: {title} has {_listed(known)} bits")
            for key, bits, known in (*wanted, ("input", self.input, front))
            if bits is not None and bits not in known
        ]
        if faults:
            raise DiagnosticError(faults)
        return _Options(self, self.weights or chip.bits, self.activations or chip.bits)


@frozen
class _Options:
    """The options of the pass with the chip's widths where the user names none."""

    given: LowerInt4
    weights: int
    activations: int


def _listed(numbers: tuple[int, ...]) -> str:
    return " or ".join(map(str, numbers))


def _ranged_for(module: Module, bits: int) -> Module:
    """The module with the ranges for levels of so many bits, and no others."""

    def chosen(value: Value) -> Value:
        return evolve(value, range=value.range_at(bits), tops=()) if value.tops else value

    inputs = tuple(chosen(value) for value in module.net.inputs)
    module = module.map_ops(lambda op: evolve(op, result=chosen(op.result)) if op.result.tops else op)
    return module if inputs == module.net.inputs else evolve(module, net=evolve(module.net, inputs=inputs))


def _check_ranges(chain: Chain, module: Module) -> None:
    """Every value that becomes levels needs a range."""
    values = module.net.values
    needed = [values[s.source] for s in chain.segments]
    needed += [g.last.result for s in chain.segments for g in s.groups if g.activation or g is not s.groups[-1]]
    faults = [
        Diagnostic(
            code="AKC0413",
            message=f"%{value.name} has no recorded range",
            origin=getattr(module.net.producer(value.name), "origin", ()),
            help="run calibrate before lower-int4",
        )
        for value in dict.fromkeys(needed)
        if value.range is None
    ]
    if faults:
        raise DiagnosticError(faults)


def _asked_for(chain: Chain, module: Module, chip: ChipNumbers) -> Iterator[str]:
    """The float values that quantising looks at, as often as it does."""
    for segment in chain.segments:
        image = image_plan(segment.groups[0], module, chip)
        yield segment.source
        if image is not None and image.absorbed is not None:
            yield image.absorbed.x
        for group in segment.groups:
            yield group.filters_op.name
            if group.pointwise is not None:
                yield group.core.name


def _readers(chain: Chain) -> Counter[str]:
    """How many host ops and segments read each value."""
    read = [(part.source,) if isinstance(part, Segment) else part.operands for part in chain.parts]
    return Counter(name for names in read for name in names)


def _behind_layer(name: str, module: Module) -> bool:
    """Whether a value is more than the net's input, moved about and scaled."""
    while isinstance(op := module.net.producer(name), MOVED):
        name = op.operands[0]
    return op is not None and isinstance(op, HostLayer | nn.Relu | nn.Clip | nn.MaxPool | nn.AveragePool | nn.Mean)


MOVED = (nn.Permute, nn.Reshape, nn.Flip, nn.Repeat, nn.Pad, nn.Affine, nn.Cast, nn_host.Take)


class _Lowering:
    """The statements and weights of the quantised module while they are made."""

    def __init__(self, chosen: _Options, module: Module, chain: Chain, context: PassContext) -> None:
        self.chosen, self.options, self.chip = chosen, chosen.given, context.target.numbers
        self.module, self.chain, self.context = module, chain, context
        options = self.options
        self.statements: list[Statement] = []
        self.weights: dict[str, Weight] = dict(module.weights)
        self.taken = set(module.net.values)
        self.sequences = len(module.net.sequences)
        self.layers = self.sequences + len(chain.groups)
        self.levels: dict[str, Observed] = {}
        """Float values that are levels already, on the chip's side or on the host's."""
        samples = context.samples
        inputs = None if samples is None else sample_inputs(module, samples, options.samples)
        self.stream = None if inputs is None else Stream(values(module, inputs), _asked_for(chain, module, self.chip))
        self.readers = _readers(chain)
        timed = any(value.type.steps is not None for value in module.net.values.values())
        self.actual = None if inputs is None or timed else dict(inputs)
        """What the quantised network makes of the samples, for values that something still reads."""
        self.two_bits = names_in(options.two_bits)
        feedback = options.rounding != "nearest" and samples is not None
        self.kept: list[Kept] = []
        """Layers that the source had quantised."""
        self.choices = Choices(
            chosen.weights, chosen.activations, options.per == "layer", options.scale == "mse", feedback
        )

    def run(self) -> Module:
        """Statements that are no layers stay where they are."""
        starts = {s.groups[0].ops[0].name: s for s in self.chain.segments}
        inside = {op.name for g in self.chain.groups for op in g.ops}
        for statement in self.module.net.statements:
            if not isinstance(statement, Op) or statement.name not in inside:
                self.put(statement)
            elif statement.name in starts:
                self.segment(starts[statement.name])
        return self.module.with_statements(self.statements, self.weights)

    def put(self, statement: Op | Sequence) -> None:
        """Append what the host does, and do it to the samples."""
        self.statements.append(statement)
        if not isinstance(statement, Op) or self.actual is None:
            return
        if all(name in self.actual for name in statement.operands):
            weights = evolve(self.module, weights=self.weights)
            operands = [self.actual[name] for name in statement.operands]
            self.actual[statement.name] = evaluate_alone(statement, operands, weights)
        self.have_read(*statement.operands)

    def have_read(self, *names: str) -> None:
        """Forget the samples of values that nothing reads any more."""
        for name in names:
            self.readers[name] -= 1
            if self.readers[name] < 1 and self.actual is not None:
                self.actual.pop(name, None)

    def segment(self, segment: Segment) -> None:
        """Quantise, layers, decode."""
        observed, image = self.quantize(segment)
        if image is None:
            self.warn_of_border(segment.groups[0], observed)
        for group in segment.groups:
            self.context.progress(self.sequences + 1, self.layers, "lower-int4")
            observed = self.layer(group, observed, image, group is segment.groups[-1])
            image = None
        self.have_read(segment.source)

    def warn_of_border(self, group: Group, x: Observed) -> None:
        """Warn AKC0415 where the mesh pads with a level that does not stand for zero."""
        conv, levels = group.core, x.levels
        if not isinstance(conv, nn.Conv) or not any(conv.pad) or abs(levels.offset) <= levels.step / 2:
            return
        self.context.warn(
            Diagnostic(
                code="AKC0415",
                message=f"%{conv.name} pads with level 0, which stands for {levels.offset:.4g} and not for 0",
                span=conv.span(),
                origin=conv.origin,
                help=("give the network inputs that are 0 or more", *self.way_to_image_layer()),
            )
        )

    def way_to_image_layer(self) -> tuple[str, ...]:
        """What the image layer needs, in words; nothing where there is none."""
        if self.chip.image is None:
            return ()
        channels, kernels = {1: "one", 3: "three"}, self.chip.image.kernels
        counts = " or ".join(channels.get(n, str(n)) for n in sorted({n for n, _ in self.chip.image.filters}))
        few, many = min(kernels), max(kernels)
        return (f"or use {counts} channels and a kernel of {few} to {many}, so that the image layer takes them",)

    def floats(self, name: str) -> Array | None:
        """The samples' float values of a name."""
        return None if self.stream is None else self.stream[name]

    # -- the front ------------------------------------------------------------------------------

    def quantize(self, segment: Segment) -> tuple[Observed, ImagePlan | None]:
        """Append host.quantize for the segment's source, unless it is there as levels already."""
        image = self.image_plan(segment)
        source = self.module.net.values[segment.source]
        own = source_levels(segment.source, self.module, image, self.chip)
        if own is not None:
            return self.as_trained(segment, own, image), image
        bits = (self.pixel_bits if image is not None else self.options.input) or self.chosen.activations
        known = self.levels.get(source.name)
        if known is not None and known.levels.bits == bits:
            return known, image
        if image is not None and image.absorbed is not None:
            self.drop(image.absorbed)
            source = self.module.net.values[image.absorbed.x]
        low, high = (image and self.byte_range(source.name)) or source.range or (0.0, 1.0)
        x = (self.actual or {}).get(source.name)
        x = self.floats(source.name) if x is None else x
        step, zero, levels = input_levels(low, high, bits, x, _behind_layer(source.name, self.module))
        shift, steps = self.shift_in_front(source), 0
        if shift > 0:
            step, zero, steps, levels = shifted_levels(shift, low, high, bits, x)
        scale, operand, replaced = self.absorbed_scale(source, step)
        shape = (1,) * (3 - len(source.type.shape)) + source.type.shape
        result = Value(self.fresh(f"{operand}_levels"), TensorType(f"u{bits}", shape, source.type.steps))
        self.statements.append(
            host.Quantize(
                result=result,
                x=operand,
                scale=scale,
                zero_point=zero + steps,
                bits=bits,
                origin=merged_origin(*replaced),
                comments=merged_comments(*replaced),
            )
        )
        levelled = None if x is None else quantized(x, step, zero, bits).astype(np.uint8).reshape(-1, *shape)
        observed = Observed(result, levels, levelled)
        if image is None:
            self.levels[segment.source] = observed
        return observed, image

    @property
    def pixel_bits(self) -> int | None:
        """Bits of a pixel of the image layer; None where there is none."""
        return None if self.chip.image is None else self.chip.image.bits

    def image_plan(self, segment: Segment) -> ImagePlan | None:
        """How the image layer takes the first layer, unless the user wants an input of other bits."""
        fits = self.options.input in (None, self.pixel_bits)
        return image_plan(segment.groups[0], self.module, self.chip) if fits else None

    def as_trained(self, segment: Segment, own: SourceLevels, image: ImagePlan | None) -> Observed:
        """Append host.quantize with the levels of the source's own quantiser."""
        known = self.levels.get(segment.source)
        if known is not None and known.trained is own.op and known.levels.bits == own.bits:
            return known
        name = segment.source
        if image is not None and image.absorbed is not None:
            self.drop(image.absorbed)
            name = image.absorbed.x
        if own.absorbs:
            self.statements = own.without(self.statements)
            name = own.op.x if name == own.op.name else name
        value = self.module.net.values[name]
        shape = (1,) * (3 - len(value.type.shape)) + value.type.shape
        result = Value(self.fresh(f"{name}_levels"), TensorType(f"u{own.bits}", shape, value.type.steps))
        op = host.Quantize(
            result=result,
            x=name,
            scale=own.op.scale,
            zero_point=int(own.op.zero),
            bits=own.bits,
            origin=own.op.origin if own.absorbs else (),
            comments=own.op.comments if own.absorbs else (),
        )
        self.statements.append(op)
        x = self.floats(segment.source if image is None or image.absorbed is None else name)
        levels = None if x is None else evaluate_alone(op, [x], self.module)
        observed = Observed(result, Levels(own.op.scale, own.op.low, own.bits), levels, own.op)
        if image is None:
            self.levels[segment.source] = observed
        return observed

    def byte_range(self, name: str) -> tuple[float, float] | None:
        """The range of bytes that are nothing but moved on their way to a value; None for anything else."""
        while isinstance(op := self.module.net.producer(name), MOVES):
            name = op.operands[0]
        element = self.module.net.types[op.x].element if isinstance(op, nn.Cast) else None
        return (float(element.low or 0), float(element.high or 0)) if element is not None else None

    def drop(self, op: Op) -> None:
        """Take back a statement that the chip does in its own way, and that nothing else reads."""
        if len(self.module.net.uses(op.name)) == 1 and op.name not in self.module.net.outputs:
            self.statements = [s for s in self.statements if s is not op]

    def affine_in_front(self, source: Value) -> nn.Affine | None:
        """A scaling that makes the source and that nothing else reads: host.quantize can take it in."""
        before = self.statements[-1] if self.statements else None
        alone = len(self.module.net.uses(source.name)) == 1
        return before if isinstance(before, nn.Affine) and before.name == source.name and alone else None

    def shift_in_front(self, source: Value) -> float:
        """What a scaling in front adds, if it is one number."""
        before = self.affine_in_front(source)
        return before.shift if before is not None and isinstance(before.shift, float) else 0.0

    def absorbed_scale(self, source: Value, step: float) -> tuple[float | WeightName, str, tuple[Op, ...]]:
        """Scale and operand of host.quantize: a factor per channel in front of it is taken in, and what it adds."""
        before = self.affine_in_front(source)
        if before is None or not isinstance(before.shift, float) or before.shift < 0:
            return step, source.name, ()
        self.drop(before)
        if isinstance(before.scale, float):
            return step / before.scale, before.x, (before,)
        scale = step / self.module.array(before.scale).astype(np.float64)
        return WeightName(self.weight(f"{before.x}.scale", scale, "f32")), before.x, (before,)

    # -- layers ---------------------------------------------------------------------------------

    def layer(self, group: Group, x: Observed, image: ImagePlan | None, last: bool) -> Observed:
        """Append one layer, and what turns its result into floats if it is the last one."""
        decoded = last and group.activation is None
        draft = Layer(
            group=group,
            module=self.module,
            x=x,
            inner_target=self.floats(group.core.name) if group.pointwise is not None else None,
            target=self.floats(group.filters_op.name),
            choices=evolve(self.choices, weights=2) if is_named(group, self.two_bits) else self.choices,
            image=image,
            decoded=decoded,
            chip=self.chip,
        )
        numbers = trained_numbers(draft) or quantise(draft)
        self.note_kept(draft, numbers)
        names = self.layer_weights(group, numbers)
        result = group.last.name
        name = self.fresh(f"{result}_{'potentials' if decoded else 'levels'}") if last else result
        op = chip_layer(draft, numbers, name, names)
        self.statements.append(Sequence(name=f"s{self.sequences}", ops=(op,)))
        self.sequences += 1
        observed = x.through(op, self.weights, numbers.levels, chip_levels(group.activation, self.chip))
        if last:
            self.leave(group, op, observed, numbers)
        return observed

    def note_kept(self, layer: Layer, numbers: Numbers) -> None:
        """Keep what became of a layer that the source had quantised."""
        why = None if numbers.kept is not None else why_not_kept(layer)
        if numbers.kept is not None:
            self.kept.append(numbers.kept)
        elif why is not None:
            self.kept.append(Kept(layer=layer.group.last.name, origin=merged_origin(*layer.group.ops), why=why))

    def layer_weights(self, group: Group, numbers: Numbers) -> dict[str, str]:
        """Store the numbers; the names by field."""
        base = group.filters_op.weight.removesuffix(".weight")
        names = {key: self.weight(f"{base}.{key}", *pair) for key, pair in numbers.weights.items()}
        names["threshold"] = self.weight(f"{base}.threshold", numbers.threshold, "i32")
        names["act_step"] = self.weight(f"{base}.act_step", numbers.act_step, "f32")
        return names

    def leave(self, group: Group, op: akida.Layer, out: Observed, numbers: Numbers) -> None:
        """Append host.decode or host.dequantize, a shift and a reshape where the source has other axes."""
        result = group.last.result
        if op.activation:
            self.levels[result.name] = out
        if out.samples is not None and self.actual is not None:
            self.actual[op.name] = out.samples
        shape = op.type.shape[2:] if op.type.shape[:2] == (1, 1) else op.type.shape
        same = shape == result.type.shape
        name = result.name if same else self.fresh(f"{result.name}_flat")
        value = Value(name, TensorType("f32", shape, result.type.steps))
        shift = numbers.shift if out.trained is None or not out.trained.zero % 1 else -out.trained.scale / 2
        inner = value if shift is None else evolve(value, name=self.fresh(f"{name}_decoded"))
        if op.activation:
            zero = 0 if out.trained is None else int(out.trained.zero)
            self.put(host.Dequantize(result=inner, x=op.name, scale=out.levels.step, zero_point=zero))
        else:
            steps, factor = op.act_step, numbers.factor
            self.put(host.Decode(result=inner, x=op.name, threshold=op.threshold, act_step=steps, factor=factor))
        if shift is not None:
            self.put(self.shifted(group, inner, value, shift))
        if not same:
            self.put(nn.Reshape(result=evolve(result, range=None), x=name, shape=result.type.shape))

    def shifted(self, group: Group, x: Value, result: Value, shift: Any) -> nn.Affine:
        """A bias that no whole threshold says, added behind the decoding."""
        base = group.filters_op.weight.removesuffix(".weight")
        summand = shift if isinstance(shift, float) else WeightName(self.weight(f"{base}.decoded_bias", shift, "f32"))
        return nn.Affine(result=result, x=x.name, scale=1.0, shift=summand)

    # -- names ----------------------------------------------------------------------------------

    def fresh(self, base: str) -> str:
        """A value name that is not taken, now taken."""
        name = fresh_name(base, self.taken)
        self.taken.add(name)
        return name

    def weight(self, base: str, numbers: Any, dtype: str) -> str:
        """Store a weight under a free name."""
        name = fresh_name(base, self.weights)
        self.weights[name] = Weight.of(numbers, dtype)
        return name
