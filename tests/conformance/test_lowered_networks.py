# SPDX-License-Identifier: Apache-2.0
"""Networks that the passes made, in the vendor's SDK: the same integers, and a place on its AKD1000."""

from __future__ import annotations

import akida
import numpy as np
import pytest

from akc.ir.module import Module
from akc.ir.ops.host import Quantize
from akc.passes import LOWER
from akc.passmanager import run_pipeline
from akc.sim.run import run
from tests.conformance import vendor
from tests.passes.building import images, sampled
from tests.passes.networks import REWRITES
from tests.passes.test_lower_int4 import SPATIAL, cnn, mlp

pytestmark = pytest.mark.conformance

WHOLE = {"mlp": mlp, "cnn": cnn}
LEGAL = {
    f"{name}-{case}": REWRITES[name][case]
    for name, case in (
        ("fit-windows", "valid-and-pools"),
        ("fit-windows", "depthwise"),
        ("fit-windows", "one-d"),
        ("mirror", "inner-stride-on-even"),
        ("mirror", "behind-the-picture"),
        ("pad-input", "odd-pool"),
        ("pad-input", "even-kernel"),
        ("insert-identity", "before-dense"),
        ("fold-average", "into-dense"),
        ("fold-global-average", "large"),
        ("separate-depthwise", "with-activation"),
        ("expand-groups", "two-groups"),
    )
}
MAPS = {f"map-{case}": (lambda case=case: SPATIAL[case](9, 12).module()) for case in SPATIAL if case != "mesh-strided"}
NETWORKS = WHOLE | LEGAL | MAPS


def _chip_input(module: Module, x: np.ndarray) -> np.ndarray:
    """The levels that enter the chip."""
    (quantize,) = (op for op in module.net.ops if isinstance(op, Quantize))
    levels: np.ndarray = run(module, {module.net.inputs[0].name: x}, keep=True)[quantize.name]
    return levels


@pytest.mark.parametrize("name", NETWORKS)
def test_same_integers(name: str) -> None:
    """The SDK's software backend gives what akc's simulator gives, and its mapper takes the network."""
    source = NETWORKS[name]()
    module = run_pipeline(source, LOWER, sampled(source))
    levels = _chip_input(module, images(source, 8))
    model = vendor.to_akida(module)
    (got,) = run(module, levels, raw=True).values()
    np.testing.assert_array_equal(got.reshape(len(got), -1), model.forward(levels).reshape(len(got), -1))
    model.map(akida.AKD1000(), hw_only=True)
