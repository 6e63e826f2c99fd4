# SPDX-License-Identifier: Apache-2.0
"""What `akc report` knows of a placed network, as plain data for tools (`--json`) and for the text.

Sizes are bytes, ranges [start, stop]; memory figures are those of docs/akd1000/placement.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from akc.ir.fields import WeightName
from akc.ir.module import Module, Op
from akc.ir.module import Sequence as Block
from akc.ir.ops.akida import Location, on_host
from akc.ir.ops.host import Quantize
from akc.sim.activity import Cost
from akc.targets import SequenceProgram
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import KIND_NAMES, LayerFacts, layers_of
from akc.targets.akida1.np_memory import (
    DOUBLE_BUFFER_BYTES,
    FNP3_BYTES,
    INPUT_BYTES,
    WEIGHT_BYTES,
    external_bytes,
    input_bytes,
    map_bytes,
    weight_bytes,
)
from akc.targets.akida1.placing.partition import value_bytes
from akc.targets.akida1.placing.placement import filter_pieces, pass_starts
from akc.targets.akida1.reading.work import handed_on, host_multiply_adds, multiply_adds
from akc.targets.akida1.shares import Share
from akc.targets.akida1.tiles import TILE_D0, TILE_D1

Facts = dict[str, Any]

WEIGHT_LIMITS = {"cnp1": WEIGHT_BYTES, "fnp3": FNP3_BYTES}
"""Kind of NP and its weight memory; an FNP2 reads weights of any size from outside."""


def report_facts(module: Module, chip: Chip, programs: Iterable[SequenceProgram] = ()) -> Facts:
    """Everything the report shows, as plain data. programs: the assembled sequences, for the bytes, if wanted."""
    by_name = {program.sequence: program for program in programs}
    sequences = [_sequence(module, block, chip, by_name.get(block.name)) for block in module.net.sequences]
    layers = [layer for sequence in sequences for layer in sequence["layers"]]
    places = [place for layer in layers for place in layer["places"]]
    sizes = [s["program_bytes"] for s in sequences if s["program_bytes"] is not None]
    borders = [
        border for block in module.net.sequences if not on_host(block) for border in _borders(module, block, chip)
    ]
    net = module.net
    return {
        "target": chip.name,
        "network": net.name,
        "inputs": {value.name: str(value.type) for value in net.inputs},
        "outputs": {name: str(kind) for name, kind in zip(net.outputs, net.output_types, strict=True)},
        "mesh": {
            "nps": [{"column": p.column, "row": p.row, "id": p.id, "kinds": list(p.kinds)} for p in chip.mesh],
            "dmas": [list(place) for place in (chip.event_dma, chip.config_dma)],
            "image_layer": chip.image_layer,
        },
        "totals": {
            "sequences": sum(s["on"] == "chip" for s in sequences),
            "layers": len(layers),
            "host_layers": sum(len(s["layers"]) for s in sequences if s["on"] == "host"),
            "nps": max((s["nps"] for s in sequences), default=0),
            "external_bytes": sum(layer["external_bytes"] for layer in layers),
            "program_bytes": sum(sizes) if sizes else None,
            "crossings": len(borders),
            "multiply_adds": _multiply_adds(sequences, "chip"),
            "host_multiply_adds": _multiply_adds(sequences, "host")
            + sum(host_multiply_adds(op, module) for op in net.statements if isinstance(op, Op)),
        },
        "components": dict(sorted(Counter(place["kind"].upper() for place in places).items())),
        "sequences": sequences,
        "roundings": [_rounding(module, op) for op in net.ops if isinstance(op, Quantize)],
        "host_ops": [_host_op(op) for op in net.statements if isinstance(op, Op) and not op.border],
        "borders": borders,
    }


def _multiply_adds(sequences: Iterable[Facts], where: str) -> int:
    """Of all layers of the sequences on the chip or on the host."""
    return sum(layer["multiply_adds"] for s in sequences if s["on"] == where for layer in s["layers"])


def _host_op(op: Op) -> Facts:
    """A float layer that the host computes between sequences."""
    return {"name": op.name, "kind": op.mnemonic, "output": list(op.type.shape), "from": list(op.origin)}


def _sequence(module: Module, block: Block, chip: Chip, program: SequenceProgram | None) -> Facts:
    layers = layers_of(module, block, chip)
    host = on_host(block)
    facts = [_layer(layer, module, () if host else layer.op.at, program) for layer in layers]
    starts = () if host else pass_starts([layer.op.at for layer in layers])
    for index, fact in enumerate(facts):
        fact["pass"] = sum(start <= index for start in starts)
    return {
        "name": block.name,
        "on": "host" if host else "chip",
        "passes": len(starts),
        "nps": max(_nps_of_passes(facts).values(), default=0),
        "program_bytes": None if program is None else len(program.bytes),
        "layers": facts,
    }


def _nps_of_passes(layers: Iterable[Facts]) -> Counter[int]:
    """How many NPs each pass of a sequence uses."""
    return Counter(layer["pass"] for layer in layers for place in layer["places"] if place["kind"] != "hrc")


def _layer(layer: LayerFacts, module: Module, at: Sequence[Location], program: SequenceProgram | None) -> Facts:
    places = [_place(layer, place, module) for place in at]
    outside = external_bytes(layer) if any(place.kind == "fnp2" for place in at) else 0
    records = _record_bytes(layer, program)
    return {
        "name": layer.op.name,
        "kind": KIND_NAMES[layer.kind],
        "from": list(layer.op.origin),
        "input": [*layer.size, layer.channels],
        "output": list(layer.op.type.shape),
        "kernel": list(layer.kernel) if layer.kind != "dense" else None,
        "filters": layer.filters,
        "handed_on": handed_on(layer, module),
        "multiply_adds": multiply_adds(layer),
        "weight_bits": layer.weight_bits,
        "input_bits": layer.input_bits,
        "output_bits": layer.op.type.element.bits,
        "learns": getattr(layer.op, "learning", None) is not None,
        "input_bytes": max((p["input_bytes"] for p in places), default=0),
        "input_limit": None if layer.kind in ("image", "dense") else INPUT_BYTES,
        "single_buffer": layer.splittable and any(p["input_bytes"] > DOUBLE_BUFFER_BYTES for p in places),
        "weight_bytes": max((p["weight_bytes"] for p in places), default=0),
        "weight_limit": WEIGHT_LIMITS.get(at[0].kind) if at else None,
        "external_bytes": outside,
        "split": split_reason(layer, at),
        "record_bytes": records,
        "places": places,
    }


def _place(layer: LayerFacts, place: Location, module: Module) -> Facts:
    facts: Facts = {"kind": place.kind, "column": place.column, "row": place.row, "id": place.id}
    cost = Cost.of(layer.op, module)
    facts["multiply_adds"] = cost.most(layer.channels, cost.of_place(place))
    if layer.kind == "image":
        return facts | {"input_bytes": 0, "weight_bytes": 0}
    share = Share.of(place, layer)
    weights = 0 if place.kind == "fnp2" else weight_bytes(layer, share.filters[1] - share.filters[0])
    return facts | {
        "filters": list(share.filters),
        "d0": list(share.d0),
        "d1": list(share.d1),
        "input_bytes": input_bytes(layer, share.d0, share.d1),
        "weight_bytes": weights,
    }


def _record_bytes(layer: LayerFacts, program: SequenceProgram | None) -> dict[str, int] | None:
    """Bytes of the program that belong to a layer, by what they are."""
    if program is None:
        return None
    found: Counter[str] = Counter()
    for item in program.map:
        if item.layer == layer.op.name:
            found[item.what] += item.size
    return dict(sorted(found.items()))


def split_reason(layer: LayerFacts, at: Sequence[Location]) -> str:
    """Why a layer is on as many NPs as it is."""
    if not layer.splittable or len(at) < 2:
        return ""
    shares = [Share.of(place, layer) for place in at]
    return "; ".join(part for part in (_tile_reason(layer, shares), _filter_reason(layer, shares)) if part)


def _tile_reason(layer: LayerFacts, shares: Sequence[Share]) -> str:
    tiles = len({(s.d0, s.d1) for s in shares})
    if tiles == 1:
        return ""
    size, (d0, d1) = map_bytes(*layer.size, layer.channels, layer.input_bits), layer.size
    if size > INPUT_BYTES:
        return f"{tiles} tiles: the map has {size:,} bytes, an NP holds {INPUT_BYTES:,}"
    if d0 > TILE_D0 or d1 > TILE_D1:
        return f"{tiles} tiles: the map is {d0}x{d1}, a tile at most {TILE_D0}x{TILE_D1}"
    return f"{tiles} tiles: pinned"


SPREAD = "more NPs share the work"


def _filter_reason(layer: LayerFacts, shares: Sequence[Share]) -> str:
    pieces = len({s.filters for s in shares})
    needed = len(filter_pieces(layer, layer.chip.filters))
    size = weight_bytes(layer, layer.filters)
    if pieces == 1:
        return ""
    if needed == 1:
        return f"{pieces} pieces of the filters: memory asks for 1, {SPREAD}"
    held = f"{size:,} bytes of filters, an NP holds {WEIGHT_BYTES:,} bytes and {layer.chip.filters} filters"
    return f"{pieces} pieces of the filters: {held}" + (
        f"; memory asks for {needed}, {SPREAD}" if pieces > needed else ""
    )


def _rounding(module: Module, op: Quantize) -> Facts:
    """What the host rounds on the way to the chip; of scales per channel the largest."""
    scale = float(module.array(op.scale).max()) if isinstance(op.scale, WeightName) else op.scale
    top = int(2**op.bits - 1)
    return {
        "value": op.x,
        "bits": op.bits,
        "range": [-op.zero_point * scale, (top - op.zero_point) * scale],
        "largest_error": scale / 2,
        "percent_of_range": 50 / top,
    }


def _borders(module: Module, block: Block, chip: Chip) -> Iterable[Facts]:
    """The values that cross between host and chip for one sequence."""
    first, last = layers_of(module, block, chip)[0].op, block.ops[-1]
    types = module.net.types
    for name, way in ((first.x, "to the chip"), (last.name, "to the host")):
        size = value_bytes(module, name)
        yield {"value": name, "type": str(types[name]), "sequence": block.name, "way": way, "bytes": size}
