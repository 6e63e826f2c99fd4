# SPDX-License-Identifier: Apache-2.0
"""The table of compatibility: complete, and its errors measured."""

from __future__ import annotations

import pytest

from akc.frontends.spiking.refusals import REFUSALS
from akc.pages.compatibility import EXAMPLES, FRAMEWORKS, measured_error, page

WITHOUT_A_CURVE = {"state_quant", "SDNN"}
"""Approximations that are no rate curve of a neuron."""


@pytest.mark.parametrize(("title", "key", "rows"), FRAMEWORKS)
def test_every_approximation_has_a_measured_error(title: str, key: str, rows: dict[str, object]) -> None:
    approximate = {name for name, row in rows.items() if row.verdict == "approximate"}
    assert approximate - WITHOUT_A_CURVE <= set(EXAMPLES[key]) <= set(rows)
    lines = [line for line in page().split(f"## [{title}]")[1].split("\n## ")[0].splitlines() if "approximate" in line]
    named = {line.split(" | ")[0].removeprefix("| "): line for line in lines}
    assert all("levels of 15" in named[n] or "% of the range" in named[n] for n in approximate - WITHOUT_A_CURVE)


def test_errors_are_those_of_the_neurons() -> None:
    """Soft reset without a leak is a staircase, an integrator a line; hard resets are far from even."""
    assert measured_error("snn.leaky(%x, beta=1.0, reset_delay=false)") == "0.0 levels of 15"
    assert measured_error("snn.li(%x, output=membrane)") == "0.0 % of the range"
    assert float(measured_error("snn.leaky(%x, beta=0.9, reset=zero)").split()[0]) > 1


def test_every_refused_row_says_its_message() -> None:
    text = page()
    for _, _, rows in FRAMEWORKS:
        for name, row in rows.items():
            assert row.verdict != "refused" or row.refusal in REFUSALS
            assert f"| {name} | {row.verdict} |" in text
