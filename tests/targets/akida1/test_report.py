# SPDX-License-Identifier: Apache-2.0
"""The report: golden text, the same as data, and figures that agree with the programs."""

from __future__ import annotations

import json

from akc.ir.module import Module
from akc.ir.parser import parse
from akc.targets.akd1000 import AKD1000, TARGET
from akc.targets.akida1.reading.report import draw
from tests.targets.akida1.chips import network
from tests.targets.akida1.programs import placed

POOL = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}


def lenet() -> Module:
    return TARGET.place(
        network(
            (40, 20, 1), "u8", ("image", 6, 5), ("convolution", 16, 3, "i4", POOL), ("separable", 8, 3, "i4"),
            ("dense", 200, "i4"), ("dense", 10, "i4"),
        ),
        "vendor-minimal",
    )  # fmt: skip


GOLDEN = """\
@random(%x: u8[40, 20, 1]) -> u4[1, 1, 10] on akd1000
-----------------------------------------------------
sequences  layers  on host  NPs at once  program bytes  external bytes
        1       5        0            5        249,456         243,200

Work for one input
------------------
values between host and chip  multiply-adds on the chip  on the host  share of the chip
                           2                  1,187,600            0  100.0%

Components
----------
kind  used
CNP1     3
FNP2     1
FNP3     1
HRC      1

External memory (weights of FNP2s)
----------------------------------
layer    bytes
%n4    243,200

Sequence @s0, on the chip: 5 of 78 NPs, 249,456 bytes
-----------------------------------------------------
   layer  kind                     output  kernel  NPs     from
a  %n1    image layer             40x20x6     5x5  1 HRC   node_n1
b  %n2    convolution            20x10x16     3x3  2 CNP1  node_n2
c  %n3    separable convolution   20x10x8     3x3  1 CNP1  node_n3
d  %n4    fully connected layer   1x1x200       -  1 FNP2  node_n4
e  %n5    fully connected layer    1x1x10       -  1 FNP3  node_n5

Memory of the fullest NP of each layer
--------------------------------------
layer      input bytes      of  used  buffer  weight bytes      of  used
%n1 (HRC)            -       -     -  -                  -       -     -
%n2              1,360  43,008    3%  double           600  44,800    1%
%n3              1,600  43,008    4%  double           200  44,800    0%
%n4                200       -     -  -                  0       -     -
%n5                 28       -     -  -              1,840  43,008    4%
"""


def test_golden_tables() -> None:
    module = lenet()
    programs = TARGET.assemble(module)
    assert len(programs[0].bytes) == 249_456
    assert TARGET.report(module, programs).startswith(GOLDEN)


def test_reasons_places_drawing_and_borders() -> None:
    text = TARGET.report(lenet())
    tail = text[text.index("Why layers are split") :]
    assert (
        tail
        == """\
Why layers are split
--------------------
layer  reason
%n2    2 tiles: the map is 40x20, a tile at most 32x256

Places
------
layer  NP (column, row, id)  filters     d0    d1  input bytes  weight bytes
%n1    HRC                       0:6
%n2    CNP1 (3, 1, 2)           0:16   0:20  0:20        1,360           600
%n2    CNP1 (3, 1, 3)           0:16  20:40  0:20        1,360           600
%n3    CNP1 (1, 3, 1)            0:8   0:20  0:10        1,600           200
%n4    FNP2 (4, 1, 0)          0:200   0:20  0:10          200             0
%n5    FNP3 (1, 3, 0)           0:10    0:1   0:1           28         1,840

Mesh: a box is a node with its NPs 0 to 3
-----------------------------------------
       col 1   col 2   col 3   col 4   col 5
row 1                  [##bb]  [d...]
row 2                  [....]  [....]  [....]
row 3  [ec..]  [....]  [....]  [....]  [....]
row 4  [....]  [....]  [....]  [....]  [....]
row 5  [....]  [....]  [....]  [....]  [....]
a %n1 (on the HRC)   b %n2   c %n3   d %n4   e %n5   . free   # DMA

Between host and chip
---------------------
value  way          sequence  type           bytes
%x     to the chip  @s0       u8[40, 20, 1]    800
%n5    to the host  @s0       u4[1, 1, 10]       5
"""
    )


def test_rounding_by_the_host_is_told() -> None:
    """A picture that a dense layer reads in 4 bits: what that costs stands in the report."""
    module = parse(
        """akir 1.0

net @n(%image: f32[36]) -> u4[1, 1, 2] {
  %x = host.quantize(%image, scale=17.0, bits=4) : u4[1, 1, 36]
  sequence @s0 {
    %y = akida.fully_connected(%x, weights=#w, threshold=#t, act_step=#s, act_bits=4) : u4[1, 1, 2]
  }
  return %y
}

weights {
  #w : i4[2, 36] = splat "1"
  #t : i32[2] = splat "0"
  #s : f32[2] = splat "1"
}
"""
    )
    assert """\
Rounding by the host
--------------------
value   bits  from   to  off by at most  % of range
%image     4     0  255  8.5             3.333
""" in TARGET.report(TARGET.place(module))


def test_json_is_plain_data_with_every_place() -> None:
    module = TARGET.place(network((16, 16, 8), "u4", ("convolution", 64, 3, "i4"), ("dense", 10, "i4")))
    facts = json.loads(json.dumps(TARGET.report_facts(module, TARGET.assemble(module))))
    (sequence,) = facts["sequences"]
    conv, dense = sequence["layers"]
    assert len(conv["places"]) == facts["components"]["CNP1"] == sequence["nps"] - 1
    assert "pieces of the filters: memory asks for 1, more NPs share the work" in conv["split"]
    assert dense["places"] == [
        {"kind": "fnp3", "column": 1, "row": 3, "id": 0, "filters": [0, 10], "d0": [0, 16], "d1": [0, 16],
         "input_bytes": 2048, "weight_bytes": 0}
    ] or dense["places"][0]["kind"] == "fnp2"  # fmt: skip


def test_record_bytes_add_up_to_the_words_of_the_program() -> None:
    module = lenet()
    (program,) = TARGET.assemble(module)
    (sequence,) = TARGET.report_facts(module, [program])["sequences"]
    counted = sum(sum(layer["record_bytes"].values()) for layer in sequence["layers"])
    assert counted == sum(r.size for r in program.map if r.layer)
    assert 0.8 * len(program.bytes) < counted < len(program.bytes)


def test_host_layers_have_a_table_and_no_place() -> None:
    module = network((8, 8, 4), "u4", ("convolution", 4, 3, "i4"), ("convolution", 4, 9, "i4"), ("dense", 3, "i4"))
    warnings: list[str] = []
    placed = TARGET.partition(module, warn=lambda d: warnings.append(d.message))
    text = TARGET.report(placed)
    assert "Sequence @s, on the host" in text and "%n2    convolution" in text
    assert warnings == [
        "%n2 runs on the host: akida.convolutional %n2: the kernel is 9x9; the chip takes 1x1, 3x3, 5x5 and 7x7"
    ]
    assert TARGET.report_facts(placed)["totals"] == {
        "sequences": 2, "layers": 3, "host_layers": 1, "nps": 4, "external_bytes": 0, "program_bytes": None,
        "crossings": 4, "multiply_adds": 9_984, "host_multiply_adds": 82_944,
    }  # fmt: skip
    assert [b["value"] for b in TARGET.report_facts(placed)["borders"]] == ["x", "n1", "n2", "n3"]


def test_the_drawing_of_a_full_mesh_marks_every_processor() -> None:
    module = TARGET.place(network((32, 32, 16), "u4", ("convolution", 78, 7, "i4")))
    (sequence,) = TARGET.report_facts(module)["sequences"]
    picture = draw(sequence, AKD1000)
    mesh = "\n".join(line for line in picture.splitlines() if line.startswith("row"))
    assert mesh.count("a") == sequence["nps"] and mesh.count(".") == 78 - sequence["nps"]


def test_a_layer_that_learns_is_told() -> None:
    text = TARGET.report(placed("learning", 0))
    assert "fully connected layer, learns" in text
    assert [x["learns"] for x in TARGET.report_facts(placed("learning", 0))["sequences"][0]["layers"]][-1]
