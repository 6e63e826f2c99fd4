# SPDX-License-Identifier: Apache-2.0
"""The random networks are reproducible, and most of them are networks that the SDK maps."""

from __future__ import annotations

import akida
import pytest

from tests.conformance import random_networks, vendor

pytestmark = pytest.mark.conformance


@pytest.mark.parametrize("kind", random_networks.CLASSES)
def test_same_seed_same_network(kind: str) -> None:
    assert random_networks.network(kind, 5) == random_networks.network(kind, 5)
    assert random_networks.network(kind, 5) != random_networks.network(kind, 6)


@pytest.mark.parametrize("kind", [kind for kind in random_networks.CLASSES if kind != "spoiled"])
def test_most_networks_are_mapped(kind: str) -> None:
    mapped = 0
    for _, module in random_networks.networks(kind, 0, 20):
        model = vendor.to_akida(module)
        try:
            vendor.map_on_akd1000(model)
        except RuntimeError:
            continue
        mapped += len(vendor.programs(model)) == 1
        assert vendor.placed_like(module, model).net.sequences
    assert mapped >= 12


def test_the_sdk_is_the_one_we_compare_with() -> None:
    assert akida.__version__ == "2.19.3"
