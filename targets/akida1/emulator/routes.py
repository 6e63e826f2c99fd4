# SPDX-License-Identifier: Apache-2.0
"""How the layers on the mesh hand results on, checked from their registers: numbers, columns, kinds, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from akc.ir.ops.akida import FullyConnected
from akc.targets.akida1.chip import Place
from akc.targets.akida1.emulator.layer import DecodedLayer, check
from akc.targets.akida1.program.registers import EPG, INNER_ROUTE, LAST_ROUTE, NO_LAYER, TO_DMA
from akc.targets.akida1.program.routing import IMAGE_COLUMN
from akc.targets.faults import BadGeometry

Span = tuple[int, int]


def check_routes(layers: Sequence[DecodedLayer], image: bool, dma: Place) -> None:
    """Every layer must name the columns that its neighbours really have; dma: the event DMA. Raises BadGeometry."""
    source: Span = (IMAGE_COLUMN, IMAGE_COLUMN) if image else (dma[0], dma[0])
    for number, layer in enumerate(layers, 1):
        last = number == len(layers)
        _check_route(layer, number, source, None if last else layers[number].columns, dma)
        source = layer.columns


def _check_route(layer: DecodedLayer, number: int, source: Span, following: Span | None, dma: Place) -> None:
    r, own = layer.registers, layer.columns
    target = following or (dma[0], dma[0])
    low, high = following or (dma[1], dma[0])
    check(
        f"layer {number}",
        (
            ("source_low", r["source_low"], source[0]),
            ("source_high", r["source_high"], source[1]),
            ("next_layer", r["next_layer"], number + 1 if following else NO_LAYER),
            ("next_kind", r["next_kind"], 0 if following else TO_DMA),
            ("route", r["route"], INNER_ROUTE if following else LAST_ROUTE),
            ("next_low", r["next_low"], low),
            ("next_high", r["next_high"], high),
            ("span_low", r["span_low"], min(own[0], target[0])),
            ("span_high", r["span_high"], max(own[1], target[1])),
        ),
    )


def check_gateway(words: Mapping[int, int], first: DecodedLayer, image: bool, dense: bool) -> bool:
    """The event gateway must lead to the first layer; gives whether input events are flat. Raises BadGeometry.

    image: they come from the image layer; dense: from a whole map.
    """
    block = [words.get(4 * n, 0) for n in range(EPG.length)]
    unnamed = EPG.unnamed(block)
    if unnamed:
        raise BadGeometry(f"the event gateway has bits set that no register row knows: {unnamed}")
    values = EPG.decode(block)
    constants = [row for row in EPG.fields if row.status == "constant"]
    low, high = first.columns
    check(
        "the event gateway",
        (
            *((row.name, values[row.name], row.value) for row in constants),
            ("image_input", values["image_input"], int(image or dense)),
            ("first_low", values["first_low"], low),
            ("first_high", values["first_high"], high),
        ),
    )
    flat = bool(values["flat_input"])
    if flat and (image or first.kind is not FullyConnected or first.size != (1, 1)):
        raise BadGeometry("the event gateway sends flat events to a layer that takes a map")
    return flat


def check_handover(before: DecodedLayer, shape: tuple[int, ...], layer: DecodedLayer) -> None:
    """What a layer gives must be what the next one takes. Raises BadGeometry."""
    if not before.fields.get("activation", True):
        raise BadGeometry(f"{before.name} gives potentials to another layer")
    check(
        f"between {before.name} and {layer.name}",
        (
            ("d0", (layer.size or (0, 0))[0], shape[0]),
            ("d1", (layer.size or (0, 0))[1], shape[1]),
            ("channels", layer.channels, shape[2]),
            ("bits of a level", layer.input_bits[0], int(before.fields["act_bits"])),
        ),
    )
