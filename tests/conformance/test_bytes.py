# SPDX-License-Identifier: Apache-2.0
"""Programs equal the vendor's byte for byte, or both sides refuse; docs/conformance.md runs many more."""

from __future__ import annotations

import akida
import pytest

from akc.targets.akida1.program.engines import ENGINE_VERSION
from tests.conformance import comparison, ways
from tests.conformance.random_networks import CLASSES

pytestmark = pytest.mark.conformance

COUNTS = {("own", "dense"): 600, ("own", "spoiled"): 150}
USUAL = {
    "own": 100,
    "steered": 40,
    "cut": 40,
    "minimal": 20,
    "cut-minimal": 10,
    "crossings": 10,
    "compact": 10,
    "pins": 20,
}
"""Networks of a class that go each way, where COUNTS has no number of its own; a third for classes of shapes."""
FIRST_SEED = 20000


@pytest.mark.parametrize("kind", ways.KINDS)
@pytest.mark.parametrize("way", ways.WAYS)
def test_bytes_agree(way: str, kind: str) -> None:
    usual = USUAL[way] if kind in CLASSES else max(2, USUAL[way] // (3 * comparison.COMPARISON.slow.get(kind, 1)))
    count = COUNTS.get((way, kind), usual)
    verdicts, odd = comparison.tally(way, kind, FIRST_SEED, count)
    assert not odd, f"seeds {odd}: {dict(verdicts)}"
    if kind in CLASSES and kind != "spoiled":
        assert verdicts[comparison.IDENTICAL] >= 0.6 * count


def test_default_engine_version_is_the_sdk_s() -> None:
    assert akida.__version__ == ENGINE_VERSION


def test_a_planted_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ways.assembled

    def wrong(module: object) -> ways.Bytes:
        (info, data), *rest = honest(module)  # type: ignore[arg-type]
        return [(info, data[:-1] + bytes([data[-1] ^ 1])), *rest]

    monkeypatch.setattr(ways, "assembled", wrong)
    assert comparison.verdict("own", "dense", FIRST_SEED) == comparison.DIFFER
