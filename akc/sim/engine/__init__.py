# SPDX-License-Identifier: Apache-2.0
"""The fast simulator: a quantised network as an integer ONNX model, run by ONNX Runtime (an extra)."""
