# SPDX-License-Identifier: Apache-2.0
"""Networks in the sizes that people use: the vendor's SDK loads their .fbz, and makes the same programs of it."""

from __future__ import annotations

from pathlib import Path

import akida
import numpy as np
import pytest

import akc
from akc import fbz
from akc.ir.module import Module
from akc.ir.ops.host import Quantize
from akc.sim.run import run
from tests.conformance import vendor
from tests.frontends.typical import TYPICAL, network

pytestmark = pytest.mark.conformance

LARGEST_RUN = 50
"""Pixels on an axis up to which the integers of a whole network are compared, too."""


def _levels(module: Module, shape: tuple[int, ...]) -> np.ndarray:
    """Random inputs of the chip."""
    x = np.random.default_rng(0).random((2, *shape[1:]), np.float32)
    (quantize,) = (op for op in module.net.ops if isinstance(op, Quantize))
    levels: np.ndarray = run(module, {module.net.inputs[0].name: x}, keep=True)[quantize.name]
    return levels


@pytest.mark.parametrize("name", TYPICAL)
def test_same_programs(name: str, tmp_path: Path) -> None:
    """One sequence or several: the bytes of every program, and of small networks the integers."""
    shape = TYPICAL[name][1]
    module = akc.lower(network(name), example=shape, input_range=(0.0, 1.0), host="allow")
    file = tmp_path / "net.fbz"
    file.write_bytes(fbz.write(module))
    model = akida.Model(str(file))
    if shape[-1] <= LARGEST_RUN:
        levels = _levels(module, shape)
        (got,) = run(module, levels, raw=True).values()
        np.testing.assert_array_equal(got.reshape(len(got), -1), model.forward(levels).reshape(len(got), -1))
    program = akc.build(module, host="allow", cut="vendor")
    vendor.map_on_akd1000(model, hw_only=len(program.sequences) == 1)
    assert [(s.info, s.data) for s in program.sequences] == vendor.programs(model)
