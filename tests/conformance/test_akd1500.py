# SPDX-License-Identifier: Apache-2.0
"""AKD1500: programs equal the vendor's byte for byte, of one pass and of several, or both sides refuse."""

from __future__ import annotations

from collections import Counter

import akida
import pytest

from akc.targets.akd1500 import AKD1500
from tests.conformance import akd1500
from tests.conformance.passes_networks import SEVERAL

pytestmark = pytest.mark.conformance

FIRST_SEED = 70000
COUNTS = {"large": 3, "crowded": 2, "one_conv": 6, "edge": 6}
USUAL = 8
LEAST_SEVERAL = {"long": 1, "long_dense": 3, "long_learning": 2}
"""Networks of several passes, at least, over the modes."""


@pytest.mark.parametrize("kind", akd1500.KINDS)
def test_bytes_agree(kind: str) -> None:
    verdicts: Counter[str] = Counter()
    for mode in akd1500.MODES:
        found, odd = akd1500.tally(mode, kind, FIRST_SEED, COUNTS.get(kind, USUAL))
        assert not odd, f"{mode}, seeds {odd}: {dict(found)}"
        verdicts += found
    assert kind in ("spoiled", "spoiled_shape", "crowded") or verdicts[akd1500.ONE] + verdicts[akd1500.MORE]
    assert verdicts[akd1500.MORE] >= LEAST_SEVERAL.get(kind, 0)
    assert set(LEAST_SEVERAL) <= set(SEVERAL)


def test_the_chip_is_the_sdk_s() -> None:
    device = akida.AKD1500()
    found = {(n.ident.col, n.ident.row, n.ident.id): sorted(t.name.lower() for t in n.types) for n in device.mesh.nps}
    assert found == {p.place: sorted(p.kinds) for p in AKD1500.mesh}
    dmas = [(i.col, i.row, i.id) for i in (device.mesh.dma_event, device.mesh.dma_conf)]
    assert dmas == [AKD1500.event_dma, AKD1500.config_dma]
