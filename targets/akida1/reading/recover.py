# SPDX-License-Identifier: Apache-2.0
"""From a program alone back to the network: a placed module that assembles to the same bytes.

Names are made up, since a program has none. What the chip does not store is chosen: steps are whole
sixteenths where the activation is on, a 1x1 kernel without negative weights counts as 1 bit, and of
the learning parameters only what the registers keep of them is the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.fields import Range, WeightName
from akc.ir.module import Module, Net, Op, Sequence, Value
from akc.ir.ops.akida import (
    Convolutional,
    FullyConnected,
    InputConvolutional,
    Layer,
    Learning,
    Location,
    SeparableConvolutional,
)
from akc.ir.ops.host import Decode
from akc.ir.signature import TypeFault, Types
from akc.ir.types import ELEMENT_TYPES, TensorType
from akc.ir.weights import Weight
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.program import hrc
from akc.targets.akida1.program.assemble import assemble
from akc.targets.akida1.program.container import CNP_SPARSE, DENSE, Header, read
from akc.targets.akida1.program.number_forms import Integers, dense_from_chip, flipped
from akc.targets.akida1.program.registers import BITS_OF_CODE, EPG
from akc.targets.akida1.reading import contents as parts
from akc.targets.akida1.reading.contents import Contents, ImageContents, NpContents, contents_of, lookup
from akc.targets.akida1.reading.diff import diff

WEIGHT_TYPES = {1: "u1", 2: "i2", 4: "i4"}
LEVEL_TYPES = {1: "u1", 2: "u2", 3: "u3", 4: "u4", 8: "u8"}
MOST_SPATIAL_CHANNELS = 2048
LARGEST_INPUT = 1 << 26
"""Values of an input, beyond which a header is damaged rather than large."""


def recover(program: bytes, chip: Chip) -> Module:
    """The network of a program, as a placed module whose only sequence assembles to these very bytes.

    Raises DiagnosticError: AKC0610 (damaged), AKC0611 (not for this chip), AKC0614 (no network gives it).
    """
    container = read(program)
    try:
        module = _Recovery(container.header, contents_of(container, chip)).module()
        (rebuilt,) = assemble(module, chip, container.header.version)
    except TypeFault as fault:
        raise _no_network(fault.message) from fault
    except DiagnosticError as fault:
        raise DiagnosticError(_renamed(d) for d in fault.diagnostics) from fault
    if rebuilt.bytes != program:
        raise _no_network(diff(program, rebuilt.bytes).splitlines()[0])
    return module


def _no_network(why: str) -> DiagnosticError:
    return error("AKC0614", f"no network gives this program: {why}", help="akc disasm shows what it holds")


def _renamed(fault: Diagnostic) -> Diagnostic:
    """Faults of assembling what was recovered are faults of the program."""
    known = fault.code in ("AKC0610", "AKC0611")
    return fault if known else Diagnostic(code="AKC0614", message=fault.message)


@frozen(kw_only=True)
class _Draft:
    """A layer with its weights, before its result has a type."""

    op: type[Layer]
    fields: dict[str, Any]
    weights: dict[str, Weight] = field(repr=False)


class _Recovery:
    """Builds the chain of layers; `value` is what the next one reads."""

    def __init__(self, header: Header, contents: Contents) -> None:
        self.header, self.contents = header, contents
        self.input = Value("x", _input_type(header))
        self.value = self.input
        self.ops: list[Layer] = []
        self.weights: dict[str, Weight] = {}

    def module(self) -> Module:
        """The whole network; raises TypeFault or DiagnosticError."""
        before = self._spatial_source()
        if self.contents.image is not None:
            self._add(self._image(self.contents.image))
        for layer in self.contents.layers:
            self._add(_DRAFTS[layer[0].kind](self, layer))
        if not self.ops:
            raise error("AKC0614", "the program holds no layer")
        tail = self._decode()
        last = tail[-1].result if tail else self.value
        net = Net(
            name="recovered",
            inputs=(self.input,),
            statements=(*before, Sequence(name="s0", ops=tuple(self.ops)), *tail),
            outputs=(last.name,),
            output_types=(last.type,),
        )
        return Module(net=net, weights=self.weights)

    @property
    def name(self) -> str:
        """Name of the layer that comes next."""
        return f"layer{len(self.ops) + 1}"

    def _add(self, draft: _Draft) -> None:
        name = self.name
        self.weights |= {f"{name}.{key}": weight for key, weight in draft.weights.items()}
        refs: dict[str, Any] = {key: f"{name}.{key}" for key in draft.weights}
        op = draft.op(result=self.value, x=self.value.name, **refs, **draft.fields)
        self.value = Value(name, self._infer(op))
        self.ops.append(evolve(op, result=self.value))

    def _infer(self, op: Op) -> TensorType:
        kinds = {name: weight.type for name, weight in self.weights.items()}
        return op.infer(Types({self.value.name: self.value.type}, kinds))

    def _decode(self) -> tuple[Op, ...]:
        """What the host makes of potentials."""
        if self.value.type.dtype != "i32":
            return ()
        last = self.ops[-1]
        step = None if last.act_step is None else WeightName(last.act_step)
        op = Decode(result=Value("y", self.value.type), x=self.value.name, threshold=last.threshold, act_step=step)
        return (evolve(op, result=Value("y", self._infer(op))),)

    def _spatial_source(self) -> tuple[Sequence, ...]:
        """A host convolution that changes nothing, where a dense layer takes spatial events of a 1x1 map.

        Such a program is the later half of a network whose convolution ran on the host or in the program
        before; without one the assembler would have the input as flat events.
        """
        dense = self.contents.layers and self.contents.layers[0][0].kind == "dense"
        if not dense or not _takes_spatial_events(self.header) or self.input.type.shape[:2] != (1, 1):
            return ()
        if self.contents.image is not None:
            return ()
        channels, bits = self.input.type.shape[2], self.input.type.element.bits
        if channels > MOST_SPATIAL_CHANNELS or bits not in WEIGHT_TYPES:
            raise error("AKC0614", f"a dense layer takes spatial events of {self.input.type}")
        identity = np.eye(channels, dtype=np.uint8)[:, None, None, :]
        step = np.full(channels, 2**bits / 16, np.float32)
        self.weights = {"spatial.weights": Weight.of(identity, "u1"), "spatial.act_step": Weight.of(step, "f32")}
        self.value = Value("spatial", self.input.type)
        op = Convolutional(
            result=self.value,
            x=self.input.name,
            weights="spatial.weights",
            act_step="spatial.act_step",
            act_bits=bits,
            at=(Location("host"),),
        )
        return (Sequence(name="host0", ops=(op,)),)

    # -- layers --------------------------------------------------------------------------------

    def _image(self, image: ImageContents) -> _Draft:
        values = image.values
        thresholds, steps = hrc.decode_thresholds(image.thresholds)
        weights = parts.image_weights(image, self.contents.channels or 0)
        pool = (1 + values["pool_d0"], 1 + values["pool_d1"])
        pooling = {"pool": "max", "pool_size": pool, "pool_stride": pool} if max(pool) > 1 else {}
        fields: dict[str, Any] = {
            "stride": (values["stride_d0"], values["stride_d1"]),
            "padding": "valid" if values["valid"] else "same",
            "padding_value": values["padding_value_0"],
            "act_bits": lookup(BITS_OF_CODE, values["act_bits"], "act_bits"),
            "at": (Location("hrc"),),
            **pooling,
        }
        if min(fields["stride"]) < 1:
            raise error("AKC0614", "the image layer has stride 0")
        return _Draft(
            op=InputConvolutional,
            fields=fields,
            weights={
                "weights": Weight.of(weights, "i8"),
                **_vectors(thresholds, steps),
            },
        )

    def dense(self, layer: tuple[NpContents, ...]) -> _Draft:
        """A fully connected layer."""
        (contents,) = layer
        shape = self.value.type.shape
        learning = self._is_last(layer) and self.contents.learning is not None
        memory = parts.dense_memory(contents, int(np.prod(shape)), learning)
        on = bool(contents.values["activation"])
        kind = "fnp3" if contents.values["internal_weights"] else "fnp2"
        place = contents.place
        fields = _common(contents) | {"at": (Location(kind, place.column, place.row, place.id),)}
        vectors = _vectors(memory.thresholds, memory.steps) if on else self._scaling(layer, None)
        weights = {"weights": _weight(dense_from_chip(memory.weights, shape), memory.bits), **vectors}
        if learning and memory.learned is not None and self.contents.learning is not None:
            learned = memory.learned
            fields["learning"] = _learning(self.contents.learning.values, learned.num_weights, learned.classes)
            weights["threshold_learning"] = Weight.of(learned.thresholds, "i32")
            weights["thswap"] = Weight.of(learned.swaps, "i32")
        return _Draft(op=FullyConnected, fields=fields, weights=weights)

    def convolution(self, layer: tuple[NpContents, ...]) -> _Draft:
        """A standard convolution; its kernel is put together from the NPs."""
        pieces = [parts.conv_weights(contents) for contents in layer]
        bits = max(bits for _, bits in pieces)
        whole = _gathered(layer, [weights for weights, _ in pieces])
        return self._spatial(layer, Convolutional, {"weights": _weight(flipped(whole), bits)})

    def separable(self, layer: tuple[NpContents, ...]) -> _Draft:
        """A separable convolution; all NPs have the same depthwise part."""
        pieces = [parts.separable_weights(contents) for contents in layer]
        depthwise, _, bits = pieces[0]
        pointwise = _gathered(layer, [p for _, p, _ in pieces])
        weights = {"weights": _weight(flipped(depthwise), bits), "pointwise": _weight(pointwise, bits)}
        return self._spatial(layer, SeparableConvolutional, weights)

    def _spatial(self, layer: tuple[NpContents, ...], op: type[Layer], weights: dict[str, Weight]) -> _Draft:
        values = layer[0].values
        pairs = [parts.mesh_thresholds(contents) for contents in layer]
        thresholds, steps = (_gathered(layer, [pair[i] for pair in pairs]) for i in (0, 1))
        vectors = _vectors(thresholds, steps) if values["activation"] else self._scaling(layer, steps)
        fields = (
            _common(layer[0])
            | _pooling(values)
            | {
                "stride": (1 + values["stride_2"],) * 2,
                "at": tuple(_location(contents, layer, self.value.type.shape) for contents in layer),
            }
        )
        return _Draft(op=op, fields=fields, weights=weights | vectors)

    # -- last layers without activation ------------------------------------------------------------

    def _is_last(self, layer: tuple[NpContents, ...]) -> bool:
        return layer is self.contents.layers[-1]

    def _scaling(self, layer: tuple[NpContents, ...], stored: Integers | None) -> dict[str, Weight]:
        """Thresholds and steps from the header, as the host uses them. stored: steps in the chip's memory."""
        shift, scales = self.header.output_shift, self.header.output_scales
        units = parts.filters_of(layer)
        if not self._is_last(layer) or len(shift) != units or len(scales) != units:
            raise error("AKC0614", "a layer without activation has no output scales in the header")
        return _vectors(shift, _reciprocals(scales, stored))


_DRAFTS = {"dense": _Recovery.dense, "conv": _Recovery.convolution, "separable": _Recovery.separable}


def _takes_spatial_events(header: Header) -> bool:
    """Whether the first mesh layer gets events with coordinates, even where the input is a whole map."""
    if header.input_type != DENSE:
        return header.input_type == CNP_SPARSE
    words = {offset // 4: value for offset, value in header.epg_tracks or ()}
    return not EPG.decode([words.get(number, 0) for number in range(EPG.length)])["flat_input"]


def _input_type(header: Header) -> TensorType:
    shape = tuple(int(n) for n in header.input_dims)
    if len(shape) != 3 or not 0 < np.prod([float(n) for n in shape]) < LARGEST_INPUT:
        raise error("AKC0614", f"the input has the shape {list(shape)}")
    return TensorType(LEVEL_TYPES[lookup({b: b for b in LEVEL_TYPES}, header.input_bits, "input_bits")], shape)


def _weight(values: Integers, bits: int) -> Weight:
    kind = WEIGHT_TYPES[bits]
    element = ELEMENT_TYPES[kind]
    if values.size and (values.min() < (element.low or 0) or values.max() > (element.high or 0)):
        raise error("AKC0614", f"a weight of {bits} bits is {values.min()} or {values.max()}")
    return Weight.of(values, kind)


def _vectors(thresholds: Integers | None, steps: Integers | None) -> dict[str, Weight]:
    return {"threshold": Weight.of(thresholds, "i32"), "act_step": Weight.of(steps, "f32")}


def _common(contents: NpContents) -> dict[str, Any]:
    return {
        "activation": bool(contents.values["activation"]),
        "act_bits": lookup(BITS_OF_CODE, contents.values["act_bits"], "act_bits"),
    }


def _pooling(values: Any) -> dict[str, Any]:
    if values["global_pool"]:
        return {"pool": "average"}
    if values["pool_size"] == values["pool_stride"] == 1:
        return {}
    if not values["pool_size"] or not values["pool_stride"]:
        raise error("AKC0614", "a layer pools with size or stride 0")
    return {"pool": "max", "pool_size": (values["pool_size"],) * 2, "pool_stride": (values["pool_stride"],) * 2}


def _location(contents: NpContents, layer: tuple[NpContents, ...], shape: tuple[int, ...]) -> Location:
    values = contents.values
    filters = values["first_filter"], values["first_filter"] + values["filters"]
    ranges: dict[str, Range | None] = {"filters": _range(*filters, parts.filters_of(layer))}
    for axis, whole in (("d0", shape[0]), ("d1", shape[1])):
        start = values[f"start_{axis}"] - values[f"halo_{axis}"]
        ranges[axis] = _range(start, start + values[f"tile_{axis}"], whole)
    place = contents.place
    return Location("cnp1", place.column, place.row, place.id, **ranges)


def _range(start: int, stop: int, whole: int) -> Range | None:
    return None if (start, stop) == (0, whole) else Range(start, stop)


def _gathered(layer: tuple[NpContents, ...], pieces: list[Integers]) -> Integers:
    """Filters [all, ...] from the pieces [filters of the NP, ...]."""
    if len({piece.shape[1:] for piece in pieces}) != 1:
        raise error("AKC0614", "the NPs of a layer have kernels of different shapes")
    whole = np.zeros((parts.filters_of(layer), *pieces[0].shape[1:]), pieces[0].dtype)
    for contents, piece in zip(layer, pieces, strict=True):
        start = contents.values["first_filter"]
        whole[start : start + len(piece)] = piece
    return whole


def _reciprocals(scales: Integers, stored: Integers | None) -> Integers:
    """float32 steps s with float32(1) / s == scale; among several the one whose sixteenths are stored."""
    with np.errstate(all="ignore"):
        guess = (np.float32(1) / scales).astype(np.float32)
        candidates = [guess]
        for direction in (np.float32(0), np.float32(np.inf)):
            step = guess
            for _ in range(3):
                step = np.nextafter(step, direction)
                candidates.append(step)
        steps, found = guess, np.zeros(len(scales), bool)
        for candidate in candidates:
            good = np.float32(1) / candidate == scales
            if stored is not None:
                good &= np.floor(candidate.astype(np.float64) * 16) / 16 == stored
            steps, found = np.where(good & ~found, candidate, steps), found | good
    if not found.all():
        raise error("AKC0614", "an output scale is the reciprocal of no step")
    return steps


def _learning(values: Any, count: int, classes: Integers) -> Learning:
    """Learning parameters that give the registers' numbers again, the smallest exact ones."""
    cap, low, decay = (values[f"learning_{name}"] for name in ("cap", "low", "decay"))
    if not 0 < count < 1 << 24 or max(cap, low, decay) > count:
        raise error("AKC0614", f"the learning layer has {count} ones a unit and limits {cap}, {low}, {decay}")
    return Learning(
        num_weights=count,
        num_classes=max(1, int(classes.max())),
        initial_plasticity=1.0,
        learning_competition=1 - cap / count,
        min_plasticity=max(0.0, (low - 0.5) / count),
        plasticity_decay=max(0.0, (decay - 0.5) / count),
    )
