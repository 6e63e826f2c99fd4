# SPDX-License-Identifier: Apache-2.0
"""Orders of weights: the text's and the .fbz file's, both ways.

The file's order is C order of (k0, k1, channels, filters). Convolutional and depthwise kernels are
stored flipped on both axes, the image layer's are not; a fully connected layer's inputs run with the
first axis fastest and the channel slowest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import frozen

from akc.fbz.schema import LayerKind
from akc.ir.module import Op
from akc.ir.ops import akida

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
Shape = tuple[int, ...]


@frozen
class Order:
    """store: text array and the layer's input shape to a file array (k0, k1, channels, filters); load: back."""

    store: Callable[[Array, Shape], Array]
    load: Callable[[Array, Shape], Array]


def _flip(array: Array) -> Array:
    return array[::-1, ::-1]


def _load_dense(stored: Array, shape: Shape) -> Array:
    d0, d1, channels = shape
    inputs = stored.reshape(channels, d1, d0, -1).transpose(3, 2, 1, 0)
    return inputs.reshape(len(inputs), -1)


def _store_dense(weights: Array, shape: Shape) -> Array:
    inputs = weights.reshape(len(weights), *shape).transpose(3, 2, 1, 0)
    return inputs.reshape(1, 1, -1, len(weights))


PLAIN = Order(lambda w, shape: w.transpose(1, 2, 3, 0), lambda w, shape: w.transpose(3, 0, 1, 2))
FLIPPED = Order(lambda w, shape: _flip(w.transpose(1, 2, 3, 0)), lambda w, shape: _flip(w).transpose(3, 0, 1, 2))
DEPTHWISE = Order(
    lambda w, shape: _flip(w.transpose(1, 2, 0))[..., None], lambda w, shape: _flip(w)[..., 0].transpose(2, 0, 1)
)
POINTWISE = Order(lambda w, shape: w.T[None, None], lambda w, shape: w[0, 0].T)
DENSE = Order(_store_dense, _load_dense)

ORDERS: dict[type[Op], tuple[tuple[str, Order], ...]] = {
    akida.InputConvolutional: (("weights", PLAIN),),
    akida.Convolutional: (("weights", FLIPPED),),
    akida.SeparableConvolutional: (("weights", DEPTHWISE), ("pointwise", POINTWISE)),
    akida.FullyConnected: (("weights", DENSE),),
}
"""The weight fields of each layer with their orders, in the order of the layer's variables in the schema."""


def weight_variables(kind: LayerKind) -> tuple[tuple[str, str, Order], ...]:
    """(variable of the file, field of the operation, order) for each weight of a kind of layer."""
    if kind.op is None:
        return ()
    return tuple((name, field, order) for name, (field, order) in zip(kind.variables, ORDERS[kind.op], strict=True))
