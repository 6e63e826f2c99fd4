# SPDX-License-Identifier: Apache-2.0
"""Programs equal the vendor's byte for byte, or both sides refuse; docs/conformance.md runs many more."""

from __future__ import annotations

import akida
import pytest

from akc.targets.akd1000.program import ENGINE_VERSION
from tests.conformance import comparison
from tests.conformance.random_networks import CLASSES

pytestmark = pytest.mark.conformance

COUNTS = {
    "own": {"dense": 600, "spoiled": 150},
    "minimal": {"dense": 20},
    "sequences": {},
    "steered": {"dense": 20},
}
USUAL = {"own": 100, "minimal": 40, "sequences": 40, "steered": 40}
"""Networks of a class where COUNTS has no number of its own: 2490 in all."""
FIRST_SEED = 20000


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("way", comparison.WAYS)
def test_bytes_agree(way: str, kind: str) -> None:
    count = COUNTS[way].get(kind, USUAL[way])
    verdicts, odd = comparison.tally(way, kind, FIRST_SEED, count)
    assert not odd, f"seeds {odd}: {dict(verdicts)}"
    if kind != "spoiled":
        assert verdicts[comparison.IDENTICAL] >= 0.6 * count


def test_default_engine_version_is_the_sdk_s() -> None:
    assert akida.__version__ == ENGINE_VERSION


def test_a_planted_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = comparison.assembled

    def wrong(module: object) -> comparison.Bytes:
        (info, data), *rest = honest(module)  # type: ignore[arg-type]
        return [(info, data[:-1] + bytes([data[-1] ^ 1])), *rest]

    monkeypatch.setattr(comparison, "assembled", wrong)
    assert comparison.verdict("own", "dense", FIRST_SEED) == comparison.DIFFER
