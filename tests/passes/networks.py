# SPDX-License-Identifier: Apache-2.0
"""Networks for each rewriting pass: what goes in, for snapshots and for proofs of equality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from akc.ir.module import Module
from akc.ir.ops import nn, nn_host
from tests.passes.branching import BRANCHES, LEFT
from tests.passes.building import Building

Make = Callable[[], Module]


def _mlp() -> Building:
    return Building(6, 5, 1).flatten().dense(8).batch_norm().relu().dense(4)


def _torch_cnn(size: int = 6) -> Building:
    """Channels first outside, as PyTorch has it."""
    net = Building(2, size, size + 1).add(nn.Permute, order=(1, 2, 0)).conv(4, 3, pad=(1, 1, 1, 1))
    net.add(nn.Permute, order=(2, 0, 1)).relu()
    return net.flatten().dense(5)


REWRITES: dict[str, dict[str, Make]] = {
    "fold-layout": {
        "torch-cnn": lambda: _torch_cnn().module(),
        "mean-of-channels-first": lambda: (
            Building(5, 6, 2).conv(3, 3).add(nn.Permute, order=(2, 0, 1)).add(nn.Mean, axes=(1, 2)).dense(4).module()
        ),
        "there-and-back": lambda: (
            Building(4, 6, 1)
            .conv(3, 3)
            .add(nn.Permute, order=(2, 0, 1))
            .relu()
            .add(nn.Permute, order=(1, 2, 0))
            .conv(2, 1)
            .module()
        ),
        "row-vector": lambda: Building(1, 7).dense(3).relu().dense(2).module(),
        "dense-on-a-map": lambda: Building(4, 5, 3).dense(6).relu().module(),
        "dense-on-rows": lambda: (
            Building(7, 5).dense(6).relu().dense(4).relu().add(nn.Mean, axes=(0,)).dense(3).module()
        ),
        "rows-and-convolutions": lambda: (
            Building(7, 5)
            .dense(6)
            .relu()
            .add(nn.Permute, order=(1, 0))
            .add(nn.Reshape, shape=(6, 1, 7))
            .add(nn.Permute, order=(1, 2, 0))
            .conv(4, 1, 3, pad=(0, 1, 0, 1))
            .module()
        ),
        "image-flattened": lambda: Building(2, 3, 4).add(nn.Permute, order=(1, 2, 0)).flatten().dense(3).module(),
    },
    "fold-batchnorm": {
        "dense": lambda: _mlp().module(),
        "conv": lambda: Building(6, 5, 2).conv(4, 3, pad=(1, 1, 1, 1), bias=False).batch_norm().relu().module(),
        "depthwise": lambda: Building(6, 5, 4).conv(4, 3, groups=4).batch_norm().relu().module(),
        "behind-the-pool": lambda: (
            Building(6, 6, 2).conv(3, 3).max_pool().batch_norm().relu().flatten().dense(4).module()
        ),
        "behind-the-activation": lambda: (
            Building(6, 6, 2).conv(3, 3).relu().batch_norm().max_pool().flatten().dense(4).module()
        ),
        "into-groups": lambda: Building(5, 5, 2).conv(4, 3).relu().batch_norm().conv(6, 3, groups=2).module(),
        "stopped-by-padding": lambda: (
            Building(5, 5, 2).conv(4, 3).relu().batch_norm().conv(3, 3, pad=(1, 1, 1, 1)).module()
        ),
    },
    "fold-input": {
        "dense": lambda: Building(4, 5, 1).affine(2.0, -0.5).flatten().dense(3).module(),
        "padded-conv": lambda: Building(6, 5, 1).affine(2.0, -0.5).conv(3, 3, pad=(1, 1, 1, 1)).module(),
        "channels-differ": lambda: (
            Building(6, 5, 3).affine([2.0, 4.0, 8.0], [-0.5, -0.5, -1.0]).conv(3, 3, pad=(1, 1, 1, 1)).module()
        ),
        "two-scalings": lambda: (
            Building(6, 5, 3).affine(0.5, 0.0).affine([2.0, 4.0, 8.0], [-0.5, -0.5, -1.0]).conv(3, 3).module()
        ),
        "pad-op": lambda: Building(6, 5, 1).affine(2.0, -0.5).add(nn.Pad, pad=(0, 1, 2, 3)).conv(3, 3).module(),
    },
    "carry-shift": {
        "behind-relu": lambda: (
            Building(6, 5, 2).conv(3, 1).relu().batch_norm().conv(2, 3, pad=(1, 1, 1, 1)).relu().module()
        ),
        "behind-a-pool": lambda: (
            Building(8, 6, 2)
            .conv(3, 3, bias=False, pad=(1, 1, 1, 1))
            .add(nn.Clip, low=0.0, high=0.5)
            .max_pool()
            .affine([2.0, -0.5, 1.0], [0.25, 0.5, -1.0])
            .conv(3, 3, groups=3, pad=(1, 1, 0, 1))
            .module()
        ),
        "in-front-of-no-padding": lambda: Building(6, 5, 2).conv(3, 1).relu().batch_norm().conv(2, 3).relu().module(),
    },
    "fold-average": {
        "into-dense": lambda: Building(6, 8, 2).conv(3, 3).relu().average_pool().flatten().dense(4).module(),
        "into-pointwise": lambda: Building(6, 8, 2).conv(3, 3).relu().average_pool().conv(4, 1).module(),
        "as-depthwise": lambda: Building(12, 10, 2).conv(3, 3).relu().average_pool().conv(4, 3).module(),
        "whole-map": lambda: Building(6, 6, 2).conv(3, 3).relu().average_pool(4).flatten().dense(4).module(),
        "behind-a-convolution": lambda: (
            Building(6, 8, 4).conv(3, 3, pad=(1, 1, 1, 1)).average_pool().relu().conv(2, 1).relu().module()
        ),
        "of-the-input": lambda: (
            Building(12, 16, 1).average_pool().conv(3, 3, pad=(1, 1, 1, 1)).relu().conv(2, 3, pad=(1, 1, 1, 1)).module()
        ),
        "behind-a-depthwise-one": lambda: (
            Building(9, 8, 4).conv(4, 3, groups=4).average_pool(3).relu().conv(2, 1).relu().module()
        ),
        "four-cells": lambda: (
            Building(16, 12, 2)
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .average_pool(4)
            .conv(4, 3, pad=(1, 1, 1, 1))
            .relu()
            .module()
        ),
        "four-rounding-down": lambda: Building(19, 18, 2).conv(3, 3).relu().average_pool(4).conv(4, 3).module(),
        "divisors-into-dense": lambda: (
            Building(7, 8, 2)
            .conv(3, 3)
            .relu()
            .average_pool(3, pad=(1, 1, 0, 1), ceil_mode=True, count_include_pad=False)
            .flatten()
            .dense(4)
            .module()
        ),
        "sticks-out-into-dense": lambda: (
            Building(7, 9, 2)
            .conv(3, 3)
            .relu()
            .average_pool(3, pad=(1, 0, 1, 1), ceil_mode=True)
            .flatten()
            .dense(4)
            .module()
        ),
        "sticks-out": lambda: Building(7, 7, 2).conv(3, 3).relu().average_pool(ceil_mode=True).conv(4, 3).module(),
    },
    "fold-global-average": {
        "one-axis-and-then-the-other": lambda: (
            Building(6, 5, 2).conv(3, 3).relu().add(nn.Mean, axes=(1,)).add(nn.Mean, axes=(0,)).dense(4).module()
        ),
        "no-dense-behind": lambda: (
            Building(6, 7, 2).conv(3, 3).relu().add(nn.Mean, axes=(0, 1)).add(nn.Softmax).module()
        ),
        "along-a-row": lambda: (
            Building(1, 20, 4).conv(6, 1, 3).relu().add(nn.Mean, axes=(1,)).flatten().dense(3).module()
        ),
        "small": lambda: Building(5, 6, 2).conv(3, 3).relu().add(nn.Mean, axes=(0, 1)).dense(4).module(),
        "large": lambda: (
            Building(9, 10, 2).conv(32, 3).relu().add(nn.Mean, axes=(0, 1)).dense(40).relu().dense(3).module()
        ),
    },
    "halve-pools": {
        "four": lambda: Building(16, 8, 2).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool(4).look().module(),
        "rounding-down": lambda: Building(15, 9, 2).conv(3, 3).relu().max_pool(4).look().module(),
        "row-of-eight": lambda: (
            Building(1, 29, 2).conv(3, 1, 3).relu().add(nn.MaxPool, size=(1, 8), stride=(1, 8)).look().module()
        ),
        "overlapping": lambda: Building(9, 9, 2).conv(3, 3).relu().max_pool(3, 2).conv(3, 1).relu().look().module(),
        "rounding-down-three": lambda: (
            Building(10, 12, 2).conv(3, 3).relu().conv(3, 3).relu().max_pool(3, 2).flatten().dense(3).module()
        ),
        "padded": lambda: (
            Building(8, 9, 2)
            .conv(3, 1)
            .relu()
            .conv(3, 1)
            .relu()
            .add(nn.MaxPool, size=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1))
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .module()
        ),
        "same-size": lambda: (
            Building(5, 6, 2)
            .conv(3, 1)
            .relu()
            .add(nn.MaxPool, size=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1))
            .conv(3, 1)
            .relu()
            .module()
        ),
        "five-of-a-row": lambda: (
            Building(1, 21, 2)
            .conv(3, 1, 3)
            .relu()
            .add(nn.MaxPool, size=(1, 5), stride=(1, 2))
            .conv(3, 1, 1)
            .relu()
            .flatten()
            .dense(3)
            .module()
        ),
        "cut-off-in-front-of-padding-stays": lambda: (
            Building(8, 8, 2).conv(3, 1).relu().max_pool(3, 2).conv(3, 3, pad=(1, 1, 1, 1)).relu().module()
        ),
        "without-activation-stays": lambda: Building(9, 9, 2).conv(3, 3).max_pool(3, 2).relu().module(),
    },
    "expand-groups": {
        "two-groups": lambda: Building(5, 6, 4).conv(6, 3, groups=2, pad=(1, 1, 1, 1)).relu().module(),
        "two-filters-a-channel": lambda: Building(5, 6, 3).conv(6, 3, groups=3).module(),
        "depthwise-stays": lambda: Building(5, 6, 3).conv(3, 3, groups=3).module(),
    },
    "expand-dilation": {
        "both-axes": lambda: Building(9, 8, 2).conv(3, 3, dilation=(2, 3), pad=(2, 3, 2, 3)).module(),
        "time": lambda: Building(12, 1, 4).conv(3, 3, 1, dilation=(3, 1)).module(),
        "too-large": lambda: Building(20, 20, 2).conv(3, 3, dilation=(4, 4)).module(),
    },
    "separate-depthwise": {
        "with-activation": lambda: (
            Building(6, 5, 4).conv(4, 3, groups=4, pad=(1, 1, 1, 1)).relu().conv(3, 1).relu().module()
        ),
        "already-separable": lambda: Building(6, 5, 4).conv(4, 3, groups=4).conv(3, 1).relu().module(),
    },
    "separate-pointwise": {
        "wide": lambda: Building(2, 1, 2).conv(449, 1).relu().conv(2, 1).relu().module(),
        "narrow-enough": lambda: Building(2, 1, 2).conv(448, 1).relu().conv(2, 1).relu().module(),
    },
    "repeat-rows": {
        "kernel-of-nine-stays": lambda: (
            Building(1, 40, 2)
            .conv(3, 1, 9)
            .relu()
            .add(nn.MaxPool, size=(1, 2), stride=(1, 2))
            .conv(3, 1, 3)
            .relu()
            .flatten()
            .dense(3)
            .module()
        ),
        "two-pools": lambda: (
            Building(1, 12, 2)
            .conv(3, 1, 3, pad=(0, 1, 0, 1))
            .relu()
            .add(nn.MaxPool, size=(1, 2), stride=(1, 2))
            .conv(4, 1, 3, pad=(0, 1, 0, 1))
            .add(nn.MaxPool, size=(1, 2), stride=(1, 2))
            .relu()
            .conv(2, 1, 3)
            .relu()
            .look()
            .module()
        ),
        "stride-and-pool": lambda: (
            Building(1, 26, 4)
            .conv(4, 1, 3, stride=(1, 2), pad=(0, 1, 0, 1), groups=4)
            .conv(3, 1)
            .relu()
            .add(nn.MaxPool, size=(1, 2), stride=(1, 2))
            .conv(4, 1, 3, stride=(1, 2), pad=(0, 1, 0, 1))
            .relu()
            .look()
            .module()
        ),
        "pool-of-three": lambda: (
            Building(1, 13, 2).conv(3, 1, 3).relu().add(nn.MaxPool, size=(1, 3), stride=(1, 3)).look().module()
        ),
    },
    "space-to-depth": {
        "keyword-kernel": lambda: (
            Building(13, 8, 1).conv(3, 10, 4, stride=(2, 2), pad=(4, 1, 5, 1)).relu().look().module()
        ),
        "one-d": lambda: Building(1, 22, 2).conv(3, 1, 5, stride=(1, 2), pad=(0, 2, 0, 2)).relu().look().module(),
        "large-and-grouped": lambda: Building(14, 15, 2).conv(4, 9, stride=(3, 2), groups=2).relu().look().module(),
        "border-on-the-host": lambda: (
            Building(16, 16, 4).conv(3, 9, stride=(2, 2), pad=(8, 8, 8, 8)).relu().look().module()
        ),
        "image-layer-has-it": lambda: Building(12, 12, 3).conv(4, 5, stride=(3, 3)).relu().module(),
        "mesh-has-it": lambda: Building(9, 9, 4).conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu().look().module(),
    },
    "merge-branches": {
        **{
            case: (lambda make=BRANCHES[case]: make().module())
            for case in ("residual-strided", "fire", "inception", "dense-skip", "sum-before-dense", "signed-start")
        },
        "different-activations": lambda: LEFT["different-activations"][0]().module(),
    },
    "split-stride": {
        "five-by-five": lambda: (
            Building(9, 10, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().conv(2, 5, stride=(2, 2)).relu().look().module()
        ),
        "four": lambda: (
            Building(9, 18, 4)
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .conv(2, 3, stride=(4, 4), pad=(1, 1, 1, 1))
            .add(nn.Clip, low=0.0, high=2.0)
            .look()
            .module()
        ),
        "pool-in-front-of-relu": lambda: (
            Building(12, 12, 4)
            .conv(4, 3, pad=(1, 1, 1, 1))
            .relu()
            .conv(4, 5, stride=(2, 2), pad=(2, 2, 2, 2), groups=4)
            .conv(3, 1)
            .max_pool()
            .relu()
            .look()
            .module()
        ),
        "wrong-phase": lambda: (
            Building(9, 9, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().conv(2, 3, stride=(2, 2)).relu().look().module()
        ),
        "behind-a-host-layer": lambda: (
            Building(16, 16, 3)
            .conv(4, 3, stride=(2, 2), pad=(1, 1, 1, 1))
            .relu()
            .add(nn_host.Apply, function="tanh")
            .conv(4, 3, pad=(1, 1, 1, 1))
            .relu()
            .conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1))
            .relu()
            .look()
            .module()
        ),
        "fits-already": lambda: (
            Building(9, 9, 4)
            .conv(3, 3, pad=(1, 1, 1, 1))
            .relu()
            .conv(2, 3, stride=(2, 2), pad=(1, 1, 1, 1))
            .relu()
            .look()
            .module()
        ),
    },
    "offset-input": {
        "another-channel": lambda: (
            Building(7, 6, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().conv(2, 3, pad=(1, 1, 1, 1)).relu().look().module()
        ),
        "depthwise": lambda: (
            (Building(7, 6, 4).conv(4, 3, groups=4, pad=(1, 1, 1, 1)).conv(3, 1).relu().conv(2, 3, pad=(1, 1, 1, 1)))
            .relu()
            .look()
            .module()
        ),
        "on-the-host": lambda: Building(7, 6, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().look().module(),
        "image-layer-has-a-border": lambda: Building(7, 6, 3).conv(3, 3, pad=(1, 1, 1, 1)).relu().look().module(),
    },
    "insert-image-layer": {
        "flattened-picture": lambda: Building(1, 5, 6).flatten().dense(4).relu().dense(3).module(),
        "vector": lambda: Building(36).dense(4).relu().dense(3).module(),
        "convolutions-need-none": lambda: Building(6, 6, 1).conv(4, 3).relu().flatten().dense(3).module(),
    },
    "mirror": {
        "inner-stride-on-even": lambda: (
            Building(10, 8, 4)
            .conv(4, 3, pad=(1, 1, 1, 1))
            .relu()
            .conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1))
            .relu()
            .conv(2, 3, pad=(1, 1, 1, 1))
            .relu()
            .look()
            .module()
        ),
        "one-axis": lambda: Building(8, 7, 4).conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu().look().module(),
        "gives-a-map": lambda: Building(8, 8, 4).conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu().module(),
        "behind-the-picture": lambda: (
            Building(12, 12, 1)
            .conv(4, 3, stride=(2, 2), pad=(1, 1, 1, 1))
            .relu()
            .conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1))
            .relu()
            .look()
            .module()
        ),
        "fits-already": lambda: Building(7, 7, 4).conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu().module(),
    },
    "pad-input": {
        "even-stride": lambda: Building(8, 10, 1).conv(3, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu().module(),
        "odd-pool": lambda: Building(9, 11, 3).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool().module(),
        "even-kernel": lambda: Building(8, 9, 1).conv(3, 4, pad=(1, 2, 1, 2)).relu().module(),
        "flat-kernel": lambda: Building(8, 9, 1).conv(3, 5, 1, pad=(2, 0, 2, 0)).relu().module(),
        "pointwise": lambda: Building(6, 7, 3).conv(4, 1).relu().module(),
        "two-channels": lambda: Building(12, 12, 2).conv(4, 5, stride=(2, 2), pad=(1, 1, 1, 1)).relu().module(),
        "two-channels-stay": lambda: Building(8, 9, 2).conv(3, 3, pad=(1, 1, 1, 1)).relu().look().module(),
        "stays": lambda: Building(8, 9, 1).conv(3, 3, pad=(1, 1, 1, 1)).relu().module(),
    },
    "insert-identity": {
        "before-dense": lambda: (
            Building(6, 8, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool().flatten().dense(4).module()
        ),
        "at-the-end": lambda: Building(6, 8, 4).conv(3, 3, pad=(1, 1, 1, 1)).max_pool().relu().module(),
        "pool-behind-a-pool": lambda: (
            Building(12, 8, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool().max_pool().flatten().dense(4).module()
        ),
        "image-layer-needs-none": lambda: (
            Building(6, 8, 1).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool().flatten().dense(4).module()
        ),
    },
    "fit-windows": {
        "valid": lambda: Building(8, 9, 4).conv(3, 3).relu().conv(2, 5).relu().look().module(),
        "valid-and-pools": lambda: (
            Building(14, 14, 4).conv(3, 5).relu().max_pool().conv(2, 3, pad=(0, 0, 0, 0)).relu().look().module()
        ),
        "odd-pool": lambda: (
            Building(9, 11, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool().conv(2, 1).relu().look().module()
        ),
        "even-kernel": lambda: Building(7, 8, 4).conv(3, 2, pad=(0, 0, 1, 1)).relu().look().module(),
        "even-kernel-in-front": lambda: Building(7, 8, 4).conv(3, 4, pad=(2, 1, 1, 2)).relu().look().module(),
        "one-d": lambda: Building(12, 1, 4).conv(3, 5, 1, pad=(2, 0, 2, 0)).relu().look().module(),
        "corner-stride": lambda: Building(8, 6, 4).conv(3, 2, stride=(2, 2)).relu().look().module(),
        "pointwise-stride": lambda: Building(8, 7, 4).conv(3, 1, stride=(2, 2)).relu().look().module(),
        "depthwise": lambda: (
            Building(9, 9, 4).conv(4, 3, groups=4).conv(3, 1).relu().max_pool(2, 1).conv(2, 1).relu().look().module()
        ),
        "no-way": lambda: Building(9, 9, 4).conv(3, 3).relu().conv(2, 3, pad=(1, 1, 1, 1)).relu().look().module(),
    },
}
"""By pass and by case."""

CONFIGURED: dict[str, dict[str, Any]] = {"insert-image-layer": {"filters": 3}}
"""Options of a pass that does nothing without them."""

PROMISED: dict[str, tuple[float, float]] = {"offset-input": (-1.0, 1.0)}
"""The range of the input, where the pass needs one."""

UNCHANGED = {
    ("merge-branches", "different-activations"),
    ("fold-batchnorm", "stopped-by-padding"),
    ("carry-shift", "in-front-of-no-padding"),
    ("fold-average", "sticks-out"),
    ("halve-pools", "cut-off-in-front-of-padding-stays"),
    ("halve-pools", "without-activation-stays"),
    ("expand-groups", "depthwise-stays"),
    ("expand-dilation", "too-large"),
    ("separate-depthwise", "already-separable"),
    ("separate-pointwise", "narrow-enough"),
    ("repeat-rows", "pool-of-three"),
    ("repeat-rows", "kernel-of-nine-stays"),
    ("space-to-depth", "image-layer-has-it"),
    ("space-to-depth", "mesh-has-it"),
    ("split-stride", "fits-already"),
    ("offset-input", "image-layer-has-a-border"),
    ("insert-image-layer", "convolutions-need-none"),
    ("mirror", "fits-already"),
    ("pad-input", "stays"),
    ("pad-input", "two-channels-stay"),
    ("insert-identity", "image-layer-needs-none"),
    ("fit-windows", "no-way"),
}
"""Cases in which the pass has nothing to do, or no way."""

CASES = [(name, case) for name, cases in REWRITES.items() for case in cases]
