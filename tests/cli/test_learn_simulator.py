# SPDX-License-Identifier: Apache-2.0
"""`akc learn --on simulator`: a built network learns and is written again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import akc as api
from akc.sim.learning import fit
from tests.cli.runner import akc
from tests.sim.test_learning import network, samples


def test_the_learned_network_is_that_of_the_python_api(tmp_path: Path) -> None:
    x, labels = samples(30)
    np.savez(tmp_path / "x.npz", x=x, labels=labels)
    api.build(network()).save(tmp_path / "net.akd")
    told = akc("learn", "net.akd", "-i", "x.npz", "--on", "simulator", "-o", "learned.akd", folder=tmp_path)
    assert told.code == 0 and "30 samples" in told.stderr
    learned = api.load(tmp_path / "learned.akd")
    assert learned.bytes == api.build(fit(network(), x, labels)).bytes
