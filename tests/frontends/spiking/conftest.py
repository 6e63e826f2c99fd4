# SPDX-License-Identifier: Apache-2.0
"""snnTorch keeps a list of every neuron ever made, which utils.reset walks: each test starts with an empty one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import snntorch as snn


@pytest.fixture(autouse=True)
def no_neurons_of_other_tests() -> Iterator[None]:
    """Forget the neurons of a test, so that none without a state (snn.DeltaLeaky) breaks utils.reset in the next."""
    yield
    snn.SpikingNeuron.instances.clear()
