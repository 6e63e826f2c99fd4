# SPDX-License-Identifier: Apache-2.0
"""Printing and parsing: one canonical form, nothing lost, every text of the repository reads back."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module, Op
from akc.ir.ops import OPS
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.verifier import verify
from tests.ir.strategies import COMMENTS, float_modules, quantised_modules

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    p
    for folder in ("tests", "examples", "docs")
    for p in (ROOT / folder).rglob("*.akir")
    if p.parent != ROOT / "tests" / "base" / "texts"
)

SMALL = """\
// first line
akir 1.0

// about the net
net @mnist(%image: f32[4] in [0.0, 1.0]) -> f32[2] {
  %x = host.quantize(%image, scale=0.06666667, bits=4) : u4[1, 1, 4]
  // about the sequence
  sequence @s0 {
    // above the layer
    %s = akida.fully_connected(%x,
      weights=#a.weights,
      threshold=#a.threshold,
      act_step=#a.act_step,
      act_bits=4,
      at=[fnp3(1, 3, 0, filters=0:3)],
    ) : u4[1, 1, 3] from "fc1", "relu1"
    %p = akida.fully_connected(%s, weights=#b.weights, activation=false) : i32[1, 1, 2] from "fc2"
    // before the brace
  }
  %y = host.decode(%p) : f32[2] from "fc2"
  // before the return
  return %y
  // after the return
}

// about the weights
weights {
  #a.weights : i4[3, 4] = hex "
    7f01
    9000
    1234"
  // a threshold
  #a.threshold : i32[3] = dec "5 -6 700"
  #a.act_step : f32[3] = splat "17.25"
  #b.weights : u1[2, 3] = hex "
    010
    111"
}
// the end
"""


def assert_round_trip(module: Module) -> None:
    text = print_module(module)
    again = parse(text)
    assert again == module
    assert print_module(again) == text


@given(float_modules())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_float_modules_read_back(module: Module) -> None:
    assert_round_trip(module)


@given(float_modules(), COMMENTS, COMMENTS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_source_reads_back(module: Module, before: tuple[str, ...], behind: tuple[str, ...]) -> None:
    whole = evolve(module, source=evolve(module, comments=before, trailing_comments=behind))
    assert_round_trip(whole)


@given(quantised_modules())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_quantised_modules_read_back(module: Module) -> None:
    assert [d for d in verify(module) if d.severity == "error"] == []
    assert_round_trip(module)


def test_a_text_with_everything_is_kept_to_the_letter() -> None:
    assert print_module(parse(SMALL)) == SMALL


def test_trailing_comments_move_above_their_statement() -> None:
    moved = SMALL.replace("    // above the layer\n", "").replace("act_bits=4,", "act_bits=4, // above the layer")
    assert print_module(parse(moved)) == SMALL


def test_there_are_texts_to_check() -> None:
    assert len(TEXTS) > 10


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_text_of_the_repository_is_canonical(path: Path) -> None:
    text = path.read_text()
    assert print_module(parse(text, str(path))) == text


def _sample(op_class: type[Op]) -> str:
    """The statement in a docstring: from the first line that starts with % to the next empty line."""
    text = inspect.cleandoc(op_class.__doc__ or "")
    return next(block for block in text.split("\n\n") if block.lstrip().startswith("%"))


@pytest.mark.parametrize("mnemonic", sorted(OPS))
def test_the_sample_in_each_docstring_is_syntax(mnemonic: str) -> None:
    """Names in a sample are not defined, so only faults of names and types may be found."""
    sample = _sample(OPS[mnemonic])
    assert f"= {mnemonic}(" in sample
    body = f"sequence @s {{\n{sample}\n}}" if mnemonic.startswith("akida") else sample
    try:
        parse(f"akir 1.0\nnet @n(%in: f32[1]) -> f32[1] {{\n{body}\nreturn %in\n}}\n")
    except DiagnosticError as fault:
        assert {d.code for d in fault.diagnostics} <= {"AKC0102", "AKC0103", "AKC0201", "AKC0202"}, str(fault)
