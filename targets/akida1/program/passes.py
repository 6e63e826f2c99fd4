# SPDX-License-Identifier: Apache-2.0
"""What a program of several passes holds beside its layers: where each pass leaves the input of the next one.

Passes take turns on the mesh. Nothing leaves the chip between two: the last layer of a pass writes into the
input memories of the NPs that the first layer of the next pass will run on. Every such NP therefore carries loop
words in this pass, as a part of its own registers if it computes here too, else in a record of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.np_memory import cdiv
from akc.targets.akida1.placing.placement import pass_starts
from akc.targets.akida1.program.container import Place
from akc.targets.akida1.program.layer_code import np_registers, place_of
from akc.targets.akida1.program.registers import CNP, CODES, FNP, LOOP_KINDS, RegisterBlock
from akc.targets.akida1.program.tracks import REGISTERS, Block, whole

CNP_TO_FNP_WORDS = 0x2501
"""Least buffer of an NP that computes a convolution now and a dense layer in the next pass."""
START_BITS = 0x0FFF0FFF
"""What of word 9 goes into the loop words."""

Fields = Mapping[str, int]
Layers = Sequence[LayerFacts]


@frozen
class NpCode:
    """The registers of one NP in one pass: their block and the values of its fields."""

    block: RegisterBlock
    values: Fields


def split_passes(mesh: Layers) -> list[Layers]:
    """The layers of each pass: one ends where a layer takes an NP that it uses already."""
    starts = pass_starts([layer.op.at for layer in mesh])
    return [mesh[a:b] for a, b in zip(starts, (*starts[1:], len(mesh)), strict=True)]


def pass_codes(mesh: Layers, found: Sequence[Fields], several: bool) -> dict[Place, NpCode]:
    """The registers of every NP of a pass, without loop words. found: routes of its layers."""
    return {
        place_of(at): NpCode(FNP if layer.kind == "dense" else CNP, np_registers(layer, at, route, several))
        for layer, route in zip(mesh, found, strict=True)
        for at in layer.op.at
    }


def later_fields(mesh: Layers, first: bool) -> dict[Place, Fields]:
    """What the NPs of the first layer of a later pass have besides."""
    return {} if first else {place_of(at): {"later_pass": 1} for at in mesh[0].op.at}


def loop_fields(
    now: Mapping[Place, NpCode], count: int, follower: LayerFacts, then: Mapping[Place, NpCode]
) -> dict[Place, Fields]:
    """The loop words of each NP of the next pass's first layer.

    now, then: the registers of this pass and the next one; count: mesh layers of this pass.
    """
    return {place_of(at): _loop(now.get(place_of(at)), count, follower, then[place_of(at)]) for at in follower.op.at}


def _loop(own: NpCode | None, count: int, follower: LayerFacts, code: NpCode) -> Fields:
    words = code.block.encode(code.values)
    dense = code.block is FNP
    fields = {
        "loop_kind": LOOP_KINDS[code.block.name],
        "loop_bits": CODES[follower.input_bits],
        "loop_layer": count + 1,
        "loop_start": 0 if dense else int(words[9]) & START_BITS,
        "loop_size": int(words[10]),
        "loop_lines": code.values["input_area"] if dense else int(words[28]),
    }
    block = (own or code).block
    size = _buffer_words(own, follower, code)
    return fields | {"loop_words": size, "input_words" if block is FNP else "buffer_words": size}


def _buffer_words(own: NpCode | None, follower: LayerFacts, code: NpCode) -> int:
    """The words of the input buffer that both passes share."""
    sizes = [_input_words(code), cdiv(follower.inputs, 32)]
    if own is not None:
        sizes.append(_input_words(own))
        if own.block is CNP and code.block is FNP:
            sizes.append(CNP_TO_FNP_WORDS)
    return max(sizes)


def _input_words(code: NpCode) -> int:
    return code.values["input_words" if code.block is FNP else "buffer_words"]


def extra_blocks(
    now: Mapping[Place, NpCode],
    count: int,
    follower: LayerFacts,
    then: Mapping[Place, NpCode],
    loops: Mapping[Place, Fields],
) -> Iterator[Block]:
    """Registers of the NPs of the next pass's first layer that this pass does not use, in that layer's order."""
    for at in follower.op.at:
        place = place_of(at)
        if place in now:
            continue
        code = then[place]
        words = code.block.encode({**code.values, "layer": count + 1, **loops[place]})
        yield Block(place, REGISTERS, 0, words, whole("registers", words))
