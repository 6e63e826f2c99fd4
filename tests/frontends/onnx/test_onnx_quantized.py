# SPDX-License-Identifier: Apache-2.0
"""Files that another tool quantised, with QuantizeLinear and DequantizeLinear: the float network and its ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from akc.frontends.onnx.importer import read_onnx
from akc.ir.ops.nn import Opaque
from akc.ir.verifier import verify
from akc.sim.run import run
from tests.cli.runner import akc
from tests.frontends.ways import exported
from tests.frontends.zoo import LeNet, randomised


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """A few random pictures."""

    def __init__(self) -> None:
        self.left = [{"x": np.random.default_rng(i).random((1, 1, 28, 28), np.float32)} for i in range(8)]

    def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[type-arg]
        """The next sample, None at the end."""
        return self.left.pop() if self.left else None


def test_quantized_by_onnxruntime(tmp_path: Path) -> None:
    """The weights are those of the file, rounded by the other tool; activations carry the file's ranges."""
    module = randomised(LeNet())
    path, quantised = tmp_path / "net.onnx", tmp_path / "net_int8.onnx"
    path.write_bytes(exported(module, torch.rand(1, 1, 28, 28), False, input_names=["x"]))
    quantize_static(path, quantised, Samples(), quant_format=QuantFormat.QDQ)
    imported = read_onnx(quantised)
    assert not verify(imported)
    assert not any(isinstance(op, Opaque) for op in imported.net.ops)
    ranges = {op.name: op.result.range for op in imported.net.ops if op.result.range is not None}
    assert imported.net.inputs[0].range is not None
    assert len(ranges) >= 5
    x = next(iter(Samples().left))["x"]
    values = run(imported, x, keep=True)
    for name, (low, high) in ranges.items():
        assert values[name].min() >= low - 0.1 * (high - low)
        assert values[name].max() <= high + 0.1 * (high - low)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(values[imported.net.outputs[0]], wanted, atol=0.03)


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_the_check_says_what_the_files_own_rounding_moves(form: QuantFormat, tmp_path: Path) -> None:
    """The rounding of the file is left out; the import is held against the file all the same."""
    path, quantised = tmp_path / "net.onnx", tmp_path / "net_int8.onnx"
    path.write_bytes(exported(randomised(LeNet()), torch.rand(1, 1, 28, 28), False, input_names=["x"]))
    quantize_static(path, quantised, Samples(), quant_format=form)
    outcome = akc("lower", str(quantised), "--input-range", "0,1", "-o", "net.akir", folder=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "but for the rounding of its own quantisers, which moves results by" in outcome.stderr
