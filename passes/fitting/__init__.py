# SPDX-License-Identifier: Apache-2.0
"""Layers as the chip has them: kernels, strides, pools, borders, first layers."""
