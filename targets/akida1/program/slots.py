# SPDX-License-Identifier: Apache-2.0
"""The slots of the two FlatBuffers of a program, as rows for the reader, the writer and docs/akd1000/program.md."""

from __future__ import annotations

from attrs import frozen


@frozen
class Slot:
    """A field of a table.

    kind: string, u4[] and the like (vectors), pairs (a vector of two u32), tables, table, struct, u1, i1,
    u4, bool; status: "verified" (its cause was varied and the bytes followed) or "constant" (always this
    value in every program seen); optional: whether a program may lack it.
    """

    table: str
    number: int
    name: str
    kind: str
    meaning: str
    status: str = "verified"
    optional: bool = False


def _info(number: int, name: str, kind: str, meaning: str, status: str = "verified", optional: bool = False) -> Slot:
    return Slot("ProgramInfo", number, name, kind, meaning, status, optional)


INFO_SLOTS: tuple[Slot, ...] = (
    _info(0, "version", "string", "version of the SDK that wrote it; the vendor's engine compares it with its own"),
    _info(1, "device_version", "table", "vendor 0xBC, product 0, major 0, minor 2", "constant"),
    _info(2, "input_dims", "u4[]", "shape of the input, d0, d1, channels"),
    _info(3, "output_dims", "u4[]", "shape of the output after stride and pooling; 1, 1, units behind a dense layer"),
    _info(4, "input_type", "i1", "0 image, 1 flat events (first layer dense on a 1 x 1 map), 2 spatial events"),
    _info(5, "output_type", "i1", "by the last layer: 1 dense, 2 convolution, 3 image layer"),
    _info(6, "output_bits", "u1", "act_bits of the last layer, 32 where its activation is off"),
    _info(7, "activation", "bool", "whether the last layer's activation is on"),
    _info(8, "dense_window_w", "u4", "image input: pixels used along d1, else 0"),
    _info(9, "dense_window_h", "u4", "image input: pixels used along d0, else 0"),
    _info(10, "output_shift", "i4[]", "activation off: the last layer's thresholds; else empty"),
    _info(11, "output_scales", "f4[]", "activation off: 1 / act_step as float32; else empty"),
    _info(12, "max_num_desc", "u1", "configuration tracks of the pass + 1; external weights do not count"),
    _info(
        13,
        "epg_tracks",
        "pairs",
        "(offset, value) of the event gateway's registers; absent if nothing follows the image layer",
        optional=True,
    ),
    _info(14, "passes", "tables", "one Pass; never more on an AKD1000"),
    _info(15, "learning_layer", "table", "present in a program with edge learning", optional=True),
    _info(16, "dummy_header", "struct", "byte offset of the dummy DMA header in program_data, and its 2 words"),
    _info(17, "input_bits", "u1", "bits of an input level, 8 for images"),
    _info(18, "input_sign", "bool", "false", "constant"),
    _info(19, "channels_first", "bool", "false", "constant"),
    _info(20, "input_scales", "f4[]", "empty", "constant"),
    _info(21, "input_zero_points", "u1[]", "empty", "constant"),
    _info(22, "anomaly", "bool", "false", "constant"),
)

OTHER_SLOTS: tuple[Slot, ...] = (
    Slot("DeviceVersion", 0, "vendor", "u1", "0xBC", "constant"),
    Slot("DeviceVersion", 1, "product", "u1", "0", "constant"),
    Slot("DeviceVersion", 2, "major", "u1", "0", "constant"),
    Slot("DeviceVersion", 3, "minor", "u1", "2", "constant"),
    Slot("PassSpans", 0, "records", "tables", "one RecordSpans a record, as in program_data"),
    Slot("PassSpans", 1, "skip_stores", "structs", "absent: the chip has no skip DMA", "constant", True),
    Slot("PassSpans", 2, "skip_loads", "structs", "absent", "constant", True),
    Slot(
        "RecordSpans", 0, "tracks", "pairs", "(byte offset in program_data, words) of each track, DMA headers included"
    ),
    Slot(
        "RecordSpans",
        1,
        "external",
        "struct",
        "FNP2: offset, words, then column, row, id, one byte of filler",
        "verified",
        True,
    ),
    Slot("LearningLayerInfo", 0, "learning", "struct", "offset, words of the registers with learning on"),
    Slot("LearningLayerInfo", 1, "inference", "struct", "offset, words of the registers with learning off"),
    Slot("LearningLayerInfo", 2, "weights", "table", "RecordSpans of the weights; on an FNP2 without a tracks vector"),
    Slot("LearningLayerInfo", 3, "place", "struct", "column, row, id"),
    Slot("ProgramData", 0, "passes", "tables", "one Pass"),
    Slot("ProgramData", 1, "learning", "table", "the learning layer", "verified", True),
    Slot("ProgramData", 2, "dummy_header", "struct", "two words, 0 and 0", "constant"),
    Slot("Pass", 0, "records", "tables", "record 0 sets the front end's mode, then one record a layer"),
    Slot("Record", 0, "tracks", "tables", "in playing order; the vector is empty for weights on an FNP2 that learns"),
    Slot("Record", 1, "external", "table", "weights of an FNP2", "verified", True),
    Slot("Track", 0, "words", "u4[]", "blocks, each with a DMA header of two words"),
    Slot("External", 0, "place", "struct", "column, row, id"),
    Slot("External", 1, "words", "u4[]", "weights without DMA header"),
    Slot("Learning", 0, "place", "struct", "column, row, id"),
    Slot("Learning", 1, "learning", "table", "Record of the registers with learning on"),
    Slot("Learning", 2, "inference", "table", "Record of the registers with learning off"),
    Slot("Learning", 3, "weights", "table", "Record of the weights"),
    Slot("Learning", 4, "weight_words", "u4", "words of weights; from 16383 on rounded up to a multiple of 16"),
)
