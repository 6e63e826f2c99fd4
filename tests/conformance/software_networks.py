# SPDX-License-Identifier: Apache-2.0
"""Seeded random networks that the SDK simulates and no AKD1000 maps: the far corners of the arithmetic.

Windows of any odd shape, Valid padding, 8-bit weights on the mesh, pools of any size, thresholds over
all of int32, steps up to 2**24 and sums that saturate. Steps from 2**24 on stop the SDK's process and
are never drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Module
from akc.ir.ops.akida import Convolutional, InputConvolutional, Layer, SeparableConvolutional
from akc.ir.weights import Weight
from tests.conformance.random_networks import BITS, NetBuilder, Random

WEIGHT_TYPES = ("u1", "i2", "i4", "i8")
IMAGE_BITS = {1: "u1", 2: "i2", 3: "i8", 4: "i4", 5: "i8", 8: "i8"}


class FarBuilder(NetBuilder):
    """Adds layers with windows, pools and vectors of any kind that the SDK's simulator takes."""

    def _vectors(self, name: str, filters: int) -> dict[str, str]:
        limit = 2 ** int(self.rng.integers(4, 32))
        thresholds = self.rng.integers(-limit, limit, filters)
        steps = np.exp(self.rng.uniform(np.log(1 / 16), np.log(2 ** int(self.rng.integers(0, 25)) - 1 / 32), filters))
        self.weights[f"{name}.threshold"] = Weight.of(thresholds, "i32")
        self.weights[f"{name}.act_step"] = Weight.of(np.clip(steps, 1 / 16, 2**24 - 1).astype(np.float32), "f32")
        return {"threshold": f"{name}.threshold", "act_step": f"{name}.act_step"}

    def any(self, *choices: Any) -> Any:
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def window(self, last: bool, free_stride: bool = False) -> tuple[tuple[int, ...], dict[str, Any]] | None:
        """A kernel and the fields of a window that fits the map; None if none was found."""
        d0, d1 = self.shape[:2]
        kernel = tuple(1 if n == 1 and self.any(0, 1) else self.any(1, 3, 3, 5, 7) for n in (d0, d1))
        stride = tuple(self.any(1, 1, 2, 3) if free_stride else int(self.rng.integers(1, k + 1)) for k in kernel)
        padding = self.any("same", "valid")
        fields: dict[str, Any] = {"stride": stride, "padding": padding, "activation": not (last and self.any(0, 1))}
        sizes = [-(-n // s) if padding == "same" else (n - k) // s + 1 for n, k, s in zip((d0, d1), kernel, stride)]
        if min(sizes) < 1:
            return None
        pool = self.any("none", "none", "max", "average")
        if pool == "max":
            size = (self.any(1, 2, 3), self.any(1, 2, 3))
            if padding == "valid" and any(n < k for n, k in zip(sizes, size)):
                return None
            fields |= {"pool_size": size, "pool_stride": tuple(int(self.rng.integers(1, k + 1)) for k in size)}
        return kernel, fields | {"pool": pool}

    def far_convolution(self, filters: int, last: bool) -> None:
        """A convolution, if a window is found."""
        if (found := self.window(last)) is not None:
            name = f"n{len(self.ops) + 1}.weights"
            self._weight(name, (filters, *found[0], self.shape[2]), self.any(*WEIGHT_TYPES))
            self._add(Convolutional, filters, {"weights": name}, **found[1])

    def far_separable(self, filters: int, last: bool) -> None:
        """A separable convolution, if a window is found."""
        if (found := self.window(last)) is not None:
            name, dtype = f"n{len(self.ops) + 1}", self.any(*WEIGHT_TYPES)
            self._weight(f"{name}.weights", (self.shape[2], *found[0]), dtype)
            self._weight(f"{name}.pointwise", (filters, self.shape[2]), dtype)
            weights = {"weights": f"{name}.weights", "pointwise": f"{name}.pointwise"}
            self._add(SeparableConvolutional, filters, weights, **found[1])

    def far_image(self, filters: int, last: bool) -> None:
        """The image front end, if a window is found."""
        if (found := self.window(last, free_stride=True)) is not None:
            bits = self.any(*IMAGE_BITS)
            name = f"n{len(self.ops) + 1}.weights"
            self._weight(name, (filters, *found[0], self.shape[2]), IMAGE_BITS[bits])
            odd = {} if bits in (1, 2, 4, 8) else {"weights_bits": bits}
            value = int(self.rng.integers(0, 256))
            self._add(InputConvolutional, filters, {"weights": name}, padding_value=value, **odd, **found[1])

    def far_dense(self, units: int, last: bool) -> None:
        """A fully connected layer."""
        self.dense(units, self.any(*WEIGHT_TYPES), activation=not (last and self.any(0, 1)), act_bits=self.any(*BITS))


def _draw(rng: Random) -> Module | None:
    image = rng.random() < 0.3
    channels = int(rng.choice([1, 3])) if image else int(rng.integers(1, 9))
    shape = (int(rng.integers(1, 15)), int(rng.integers(1, 15)), channels)
    if rng.random() < 0.2:
        shape = (shape[0], 1, 1) if rng.random() < 0.5 else (1, shape[1], 1)
    net = FarBuilder(rng, shape, "u8" if image else str(rng.choice(["u1", "u2", "u3", "u4"])))
    count = int(rng.integers(1, 5))
    for index in range(count):
        if net.ops and not net.ops[-1].activation:
            break
        add = net.far_image if image and not net.ops else net.any(net.far_convolution, net.far_separable, net.far_dense)
        add(int(rng.integers(1, 12)), index == count - 1)
        if image and not net.ops:
            return None
    return net.module() if net.ops else None


def networks(seed: int, count: int) -> Iterator[tuple[int, Module]]:
    """`count` networks with the seeds that made them."""
    while count:
        module = _draw(np.random.default_rng([seed, 77]))
        if module is not None:
            yield seed, module
            count -= 1
        seed += 1


def without_activation(module: Module) -> Module | None:
    """The network with the activation of its last layer off; None if it already is."""
    last = list(module.net.ops)[-1]
    if not isinstance(last, Layer) or not last.activation:
        return None
    value = evolve(last.result, type=evolve(last.type, dtype="i32"))
    ops = [*list(module.net.ops)[:-1], evolve(last, activation=False, result=value)]
    return module.with_statements(ops, output_types=(value.type,))
