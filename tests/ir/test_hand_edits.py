# SPDX-License-Identifier: Apache-2.0
"""What hands do to a text, and what akc answers: one message a slip, with carets at the place."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import akc as api
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.verifier import verify, verify_numbers
from tests.cli import models


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A convolution and a dense layer: imported, and placed on the chip."""
    path = models.conv(tmp_path_factory.mktemp("edits") / "m.onnx", 3)
    imported = api.lower(str(path), pipeline="fold-layout")
    placed = run_pipeline(api.lower(str(path), input_range=(0.0, 1.0)), "place", Context())
    return {"imported": print_module(imported), "placed": print_module(placed)}


def _answer(text: str) -> str:
    """Everything that checking and building say."""
    try:
        module = parse(text, "net.akir")
        faults = [d for d in [*verify(module), *verify_numbers(module)] if d.severity == "error"]
        if faults:
            raise DiagnosticError(faults)
        api.build(module)
    except DiagnosticError as fault:
        return str(fault)
    return ""


def _one_message(text: str, pattern: str, new: str, expected: str) -> None:
    """Make one edit; the answer is one message that holds every expected word."""
    edited, count = re.subn(pattern, new, text, count=1)
    assert count == 1
    answer = _answer(edited)
    for word in expected.split():
        assert word in answer, f"{word!r} is not in\n{answer}"
    assert answer.count("error[") == 1, answer


EDITS = {
    "a negative step": (r"5610\.8125", "-5610.8125", "AKC0514 ^ -5610.8125"),
    "a step of nothing": (r"5610\.8125", "0", "AKC0514 ^ 1/16"),
    "a step that is none": (r"5610\.8125", "nan", "AKC0207 ^ value 0 is nan"),
    "a step in words": (r"5610\.8125", "abc", "AKC0002 'abc' is no f32 number ^"),
    "a step too many": (r"7246\.75", "7246.75 3", "AKC0002 needs 4 values, found 5 ^"),
    "half a threshold": ("2805", "2805.5", "AKC0002 '2805.5' is no i32 number ^"),
    "a threshold of 37 bits": ("2805", "99999999999", "AKC0002 i32 holds ^"),
    "a threshold of 25 bits": ("2805", "8388608", "AKC0513 ^ 8388608 8,388,607"),
    "a minus from a text program": ("2805", "−2805", "AKC0002 ^"),
    "quotes from a text program": ('"2805', "“2805", "AKC0001 ^ quotes are plain"),
    "a quote that never ends": ('3623"', "3623", "AKC0001 ^ closing quote"),
    "a weight deleted": (r"  #conv1\.threshold.*\n", "", "AKC0103 #conv1.threshold ^"),
    "a weight renamed": (r"  #fc\.weights :", "  #fc.w :", "AKC0103 #fc.weights ^ did you mean #fc.w?"),
    "a row deleted": ("    bbde0281f4bcd8e2ef\n", "", "AKC0002 needs 36 values, found 27 ^"),
    "a digit that int4 lacks": ("01e20f212bd", "81e20f212bd", "AKC0002 '8' ^ value 0 of row 0 -7 to 7"),
    "a digit that is none": ("01e20f212bd", "g1e20f212bd", "AKC0002 'g' ^"),
    "a digit deleted": ("01e20f212bd", "1e20f212bd", "AKC0002 found 1727 ^ row 0"),
    "a value renamed": ("%relu1 = ", "%relu_1 = ", "AKC0102 %relu1 ^ did you mean %relu_1?"),
    "a statement moved down": (
        r"(  %image_permuted = .*\n)((?:.*\n)*?)(  return)",
        r"\2\1\3",
        "AKC0102 %image_permuted ^ defined below",
    ),
    "a result's shape": (r"u4\[12, 12, 4\]", "u4[12, 12, 5]", "AKC0201 gives u4[12, 12, 4] ^ the text says"),
    "a weight's shape": (r"i8\[4, 3, 3, 1\]", "i8[4, 3, 3, 2]", "AKC0202 2 channels ^"),
    "a scale of nothing": (r"scale=\S+,", "scale=0,", "AKC0107 scale of host.quantize is 0 ^"),
    "bits for a chip to come": ("bits=8", "bits=16", "AKC0107 from 1 to 8 ^"),
    "bits of 4 in front of the image layer": (r"bits=8,\n  \) : u8", "bits=4,\n  ) : u4", "AKC0202 takes u8 ^"),
    "a unit": ("act_bits=4", "act_bits=4bits", "AKC0001 ^ without a unit"),
    "three bits": ("act_bits=4", "act_bits=3", "AKC0107 1, 2 or 4 bits ^"),
    "bits in quotes": ("act_bits=4", 'act_bits="4"', "AKC0107 whole number ^"),
    "an attribute with a slip": ("act_bits=4", "act_bit=4", "AKC0105 ^ did you mean act_bits?"),
    "an attribute twice": ("act_bits=4,", "act_bits=4, act_bits=4,", "AKC0104 ^ given twice"),
    "yes for true": ("activation=false", "activation=no", "AKC0107 true or false ^"),
    "an operation with a slip": ("fully_connected", "fuly_connected", "AKC0101 ^ akida.fully_connected?"),
    "a dialect with a slip": (r"akida\.fully", "akide.fully", "AKC0101 ^ akida.fully_connected?"),
    "a place beside the mesh": (r"fnp3\(1", "fnp3(9", "AKC0522 ^ the mesh is (1, 3..5, 0..3)"),
    "a place of no kind": ("fnp3", "fnp7", "AKC0107 ^ hrc, cnp1, fnp2, fnp3, host"),
    "a place of another kind": (r"at=\[fnp3.*\]", "at=[hrc()]", "AKC0523 ^ fnp3"),
    "more filters than there are": ("filters=0:3", "filters=0:4", "AKC0525 ^ 3 filters"),
    "a comma deleted": (r"conv1\.weights,", "conv1.weights", "AKC0001 ^ expected ',' or ')'"),
    "a bracket deleted": (r"fc\.act_step\) : f32", "fc.act_step : f32", "AKC0001 ^ expected ',' or ')'"),
    "a brace deleted": (r"  \}\n  %fc = host", "  %fc = host", "AKC0001 ^ expected '}'"),
    "nothing returned": ("  return %fc\n", "", "AKC0001 ^ expected 'return'"),
    "a slip in what is returned": ("return %fc", "return %fcc", "AKC0102 ^ did you mean %fc?"),
    "a comment of Python": ("  return %fc", "  # done\n  return %fc", "AKC0001 ^ comments start with //"),
    "a comment of C": ("  return %fc", "  /* done */\n  return %fc", "AKC0001 ^ comments start with //"),
    "a semicolon": ("return %fc\n", "return %fc; done\n", "AKC0001 ^"),
    "a later version": (r"akir 1\.0", "akir 2.0", "AKC0003 ^ this akc reads akir 1.0"),
    "a range backwards": (r"in \[0\.0, 1\.0\] from", "in [1.0, 0.0] from", "AKC0107 range ^"),
    "a weight of another layer": (r"threshold=#fc\.threshold,\n", "threshold=#conv1.threshold,\n", "AKC0202 3 ^"),
    "a second section of weights": (r"\Z", "\nweights {\n}\n", "AKC0001 ^ end of the file"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_one_message_at_the_place(edit: str, texts: dict[str, str]) -> None:
    _one_message(texts["placed"], *EDITS[edit])


IMPORTED = {
    "a weight that is none": (r'= dec "\n    \S+', '= dec "\n    nan', "AKC0207 conv1 ^ value 0 is nan"),
    "a weight without end": (r'= dec "\n    \S+', '= dec "\n    1e60', "AKC0207 conv1 ^ value 0 is inf"),
    "an axis of less than nothing": (r": f32\[576\]", ": f32[-576]", "AKC0201 negative ^"),
    "three sides of four": (r"pad=\[1, 1, 1, 1\]", "pad=[1, 1, 1]", "AKC0107 4 whole numbers ^"),
    "an element lost": (r"shape=\[576\]", "shape=[575]", "AKC0202 576 elements ^ 575"),
}


@pytest.mark.parametrize("edit", IMPORTED)
def test_float_networks(edit: str, texts: dict[str, str]) -> None:
    _one_message(texts["imported"], *IMPORTED[edit])


HARMLESS = {
    "comments": ("  return %fc", "  // done\n  return %fc // here"),
    "tabs": ("  ", "\t"),
    "Windows": ("\n", "\r\n"),
    "a step that is cut": (r"5610\.8125", "5610.83"),
    "a threshold": ("2805", "2806"),
}


@pytest.mark.parametrize("edit", HARMLESS)
def test_what_hands_may_do(edit: str, texts: dict[str, str]) -> None:
    pattern, new = HARMLESS[edit]
    assert _answer(re.sub(pattern, new, texts["placed"])) == ""


def test_three_slips_are_three_messages(texts: dict[str, str]) -> None:
    text = texts["placed"].replace("act_bits=4", "act_bits=5").replace("#fc.weights,", "#fc.weigths,")
    answer = _answer(text.replace("decode(%fc_potentials", "decode(%fc_potential"))
    assert [line for line in answer.splitlines() if "error[" in line] == [
        "error[AKC0107]: act_bits takes a whole number from 1 to 4",
        "error[AKC0103]: no weight is called #fc.weigths",
        "error[AKC0102]: %fc_potential is used before it is defined",
    ]


def test_a_net_without_layers_is_nothing_for_the_chip() -> None:
    answer = _answer("akir 1.0\n\nnet @x(%a: f32[3]) -> f32[3] {\n  return %a\n}\n")
    assert "AKC0203" in answer and "the net has no layer" in answer


def test_weights_that_are_none_are_told_by_the_layer_that_they_came_from(tmp_path: Path) -> None:
    nodes = [models.helper.make_node("Gemm", ["image", "w", "b"], ["logits"], "fc", transB=1)]
    weights = {"w": np.full((3, 4), np.nan, np.float32), "b": np.zeros(3, np.float32)}
    models.save(tmp_path / "m.onnx", nodes, [1, 4], [1, 3], weights)
    with pytest.raises(DiagnosticError, match=r"AKC0207.*12 of 12(.|\n)*from: fc"):
        api.lower(str(tmp_path / "m.onnx"))
