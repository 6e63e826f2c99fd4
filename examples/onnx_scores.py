# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file itself gives, by ONNX Runtime: the examples' reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.data import Floats


def onnx_scores(path: Path, inputs: Floats) -> Floats:
    """The first output f32 [n, classes] of a network that takes one sample at a time, for inputs [n, ...]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: inputs[k : k + 1]})[0] for k in range(len(inputs))])
