# SPDX-License-Identifier: Apache-2.0
"""AKC0391 judges by what the results are."""

from __future__ import annotations

import numpy as np
import pytest

import akc
from akc.compiler.judging import Judge, judge_of
from akc.compiler.pipeline import Context
from akc.compiler.recipes import Report
from akc.ir.module import Module
from tests.passes.building import Building

RANDOM = np.random.default_rng(0)
SAMPLES = RANDOM.random((240, 6)).astype(np.float32)


def network(outputs: int) -> Module:
    return Building(6).dense(16).relu().dense(outputs).module()


def report(module: Module, labels: np.ndarray | None = None, count: int = 240) -> Report:
    context = Context()
    samples = {module.net.inputs[0].name: SAMPLES[:count]}
    given = samples if labels is None else {**samples, "labels": labels[:count]}
    akc.lower(module, calibrate=given, context=context, least=0)
    found: Report = context.reports["calibration"]
    return found


def test_any_of_several_largest_results_is_the_answer() -> None:
    wanted = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    assert Judge(classes=True).score(np.array([[0.0, 1.0, 0.0], [0.0, 3.0, 1.0]]), wanted).same == 1
    assert Judge(classes=True).score(np.array([[0.0, 0.0, 1.0], [0.0, 3.0, 1.0]]), wanted).same == 0.5


@pytest.mark.parametrize("outputs", [1, 6])
def test_one_output_and_autoencoders_are_values(outputs: int) -> None:
    found = report(network(outputs))
    assert not found.judge.classes and 0.5 < found.same["as asked"] <= 1
    assert str(found).startswith("variance of the results given again on 60 samples: as asked")


def test_results_that_labels_do_not_index_are_values() -> None:
    assert not report(network(4), RANDOM.integers(0, 9, 240)).judge.classes
    assert not report(network(4), RANDOM.random(240)).judge.classes
    assert report(network(4), RANDOM.integers(0, 4, 240)).judge.classes


def test_populations_answer_together() -> None:
    module = network(8)
    results = np.abs(RANDOM.normal(size=(50, 8)))
    labels = results.reshape(50, 2, 4).sum(axis=2).argmax(axis=1)
    assert judge_of(module, results, labels) == Judge(classes=True, group=4)
    assert judge_of(module, results, results[:, :2].argmax(axis=1)).group in (1, 4)


def test_few_samples_refuse_nothing_and_it_is_said() -> None:
    few = report(network(4), count=100)
    assert "on 25 samples (fewer than 50, which refuse nothing)" in str(few)
    module = network(4)
    akc.lower(module, calibrate=SAMPLES[:100], least=1.0, options={"lower-int4": {"weights": 1, "activations": 1}})
    with pytest.raises(akc.DiagnosticError, match="AKC0391"):
        akc.lower(module, calibrate=SAMPLES, least=1.0, options={"lower-int4": {"weights": 1, "activations": 1}})


def test_values_far_off_are_refused_in_words() -> None:
    bad = {"lower-int4": {"weights": 1, "activations": 1}}
    with pytest.raises(akc.DiagnosticError, match=r"AKC0391.*variance of the source's results again on 60 samples"):
        akc.lower(network(1), calibrate=SAMPLES, least=1.0, options=bad)
