# SPDX-License-Identifier: Apache-2.0
"""Networks that the passes made, in the vendor's SDK: the same integers, and a place on its AKD1000."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import akida
import nir
import numpy as np
import pytest
from torch import nn

from akc import fbz
from akc.compiler.compiler import build, lower
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module
from akc.ir.ops.akida import InputConvolutional
from akc.ir.ops.host import Quantize
from akc.passes import LOWER
from akc.sim.run import run
from tests.conformance import vendor
from tests.frontends.spiking import event_camera
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
        ("pad-input", "two-channels"),
        ("insert-identity", "before-dense"),
        ("fold-average", "into-dense"),
        ("fold-global-average", "large"),
        ("separate-depthwise", "with-activation"),
        ("expand-groups", "two-groups"),
        ("separate-pointwise", "wide"),
        ("carry-shift", "behind-relu"),
        ("fold-average", "behind-a-convolution"),
        ("fold-average", "four-cells"),
        ("fold-average", "of-the-input"),
        ("fold-global-average", "no-dense-behind"),
        ("halve-pools", "four"),
        ("repeat-rows", "two-pools"),
        ("repeat-rows", "stride-and-pool"),
        ("fold-layout", "dense-on-rows"),
        ("space-to-depth", "keyword-kernel"),
        ("space-to-depth", "one-d"),
        ("space-to-depth", "large-and-grouped"),
        ("merge-branches", "residual-strided"),
        ("merge-branches", "fire"),
        ("merge-branches", "inception"),
        ("merge-branches", "dense-skip"),
        ("merge-branches", "sum-before-dense"),
        ("merge-branches", "signed-start"),
        ("split-stride", "five-by-five"),
        ("split-stride", "four"),
        ("split-stride", "pool-in-front-of-relu"),
        ("split-stride", "wrong-phase"),
    )
}
MAPS = {f"map-{case}": (lambda case=case: SPATIAL[case](9, 12).module()) for case in SPATIAL if case != "mesh-strided"}
NETWORKS = WHOLE | LEGAL | MAPS


def _chip_input(module: Module, x: np.ndarray) -> np.ndarray:
    """The levels that enter the chip."""
    (quantize,) = (op for op in module.net.ops if isinstance(op, Quantize))
    levels: np.ndarray = run(module, {module.net.inputs[0].name: x}, keep=True)[quantize.name]
    return levels


def _agree(module: Module, x: np.ndarray, folder: Path) -> None:
    """The SDK, given the .fbz, computes the same integers, and maps it onto an AKD1000 with the same program."""
    levels = _chip_input(module, x)
    file = folder / "net.fbz"
    file.write_bytes(fbz.write(module))
    model = akida.Model(str(file))
    (got,) = run(module, levels, raw=True).values()
    np.testing.assert_array_equal(got.reshape(len(got), -1), model.forward(levels).reshape(len(got), -1))
    vendor.map_on_akd1000(model)
    assert [(s.info, s.data) for s in build(module).sequences] == vendor.programs(model)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_integers(name: str, tmp_path: Path) -> None:
    """The SDK's software backend gives what akc's simulator gives, and its mapper the same program."""
    source = NETWORKS[name]()
    _agree(run_pipeline(source, LOWER, sampled(source)), images(source, 8), tmp_path)


@pytest.mark.parametrize("case", ["another-channel", "depthwise", "on-the-host"])
def test_signed_inputs(case: str, tmp_path: Path) -> None:
    """A border of zeros around a signed input, in the SDK."""
    source = REWRITES["offset-input"][case]()
    x = images(source, 64, low=-1.0)
    _agree(run_pipeline(source, LOWER, Context(samples={"image": x})), x[:8], tmp_path)


@pytest.mark.parametrize("filters", [1, 3, 17])
@pytest.mark.parametrize("case", ["flattened-picture", "vector"])
def test_pictures_of_8_bits_into_dense_layers(case: str, filters: int, tmp_path: Path) -> None:
    """The image layer in front of a dense network reads 8 bits; with 17 filters the dense layer sees them all."""
    source = REWRITES["insert-image-layer"][case]()
    pipeline = LOWER.replace("insert-image-layer", f"insert-image-layer{{filters={filters}}}")
    x = np.rint(images(source, 64) * 255).astype(np.float32)
    x[:, ..., 0] = 255
    module = run_pipeline(source, pipeline, Context(samples={"image": x}))
    _agree(module, x[:8], tmp_path)
    values = run(module, {"image": x[:8]}, keep=True)
    quantize, image = (next(op for op in module.net.ops if isinstance(op, k)) for k in (Quantize, InputConvolutional))
    assert quantize.type.dtype == "u8" and image.act_bits == 4
    pixels, levels = values[quantize.name].astype(int), values[image.name].astype(int)
    if filters == 17:
        np.testing.assert_array_equal(levels.sum(axis=3), pixels[..., 0])
    else:
        assert np.abs(levels.sum(axis=3) * 255 / (15 * filters) - pixels[..., 0]).max() <= 255 / (15 * filters) * 0.75


@pytest.mark.parametrize("source", ["nir", "snntorch", "torch"])
def test_event_camera_network_of_the_nir_paper(source: str, tmp_path: Path) -> None:
    """34x34x2 with stride 2 and a border of 1: one sequence, nothing on the host between layers, as the SDK has it."""
    way: dict[str, Any] = {"options": {"rate": {"window": 3}}, "check": "off"}
    if source == "nir":
        nir.write(str(tmp_path / "net.nir"), event_camera.graph())
        module = lower(
            str(tmp_path / "net.nir"),
            steps=30,
            readout="count",
            producer="sinabs-reader",
            **way,
        )
    elif source == "snntorch":
        module = lower(
            event_camera.Loop(),
            example=(1, 30, *event_camera.SHAPE),
            input_range=(0, 1),
            **way,
        )
    else:
        network = event_camera.layers(nn.ReLU)[:-1]
        module = lower(network, example=(1, *event_camera.SHAPE), input_range=(0, 1))
    program = build(module)
    assert len(program.sequences) == 1
    assert isinstance(next(iter(module.net.sequences)).ops[0], InputConvolutional)
    x = event_camera.events(4, 30)
    levels = _chip_input(module, x if source != "torch" else x.mean(axis=1))
    file = tmp_path / "net.fbz"
    file.write_bytes(fbz.write(module))
    model = akida.Model(str(file))
    flat = levels.reshape(-1, *levels.shape[-3:])
    (got,) = run(module, levels, raw=True).values()
    np.testing.assert_array_equal(got.reshape(len(flat), -1), model.forward(flat).reshape(len(flat), -1))
    vendor.map_on_akd1000(model)
    assert [(s.info, s.data) for s in program.sequences] == vendor.programs(model)
