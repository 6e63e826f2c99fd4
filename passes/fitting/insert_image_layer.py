# SPDX-License-Identifier: Apache-2.0
"""insert-image-layer: a dense network takes pictures of 8 bits, through an identity in the image layer."""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import error
from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.propagate import input_reach
from akc.passes.shared.rewriting.affine import is_leading
from akc.passes.shared.rewriting.rewrite import Editor, Floats
from akc.targets import ImageNumbers, Target


@frozen
class InsertImageLayer:
    """Put an identity convolution of the image layer in front of a dense network, if asked to.

    Dense layers read at most 4 bits, so by default the host rounds a picture of 8 bits to 16 levels. Behind an
    identity the chip takes the 8 bits: one filter rounds them to 16 levels on the chip; n filters, of which
    each lets one n-th of the input's range through, give 15 n + 1 levels, and 17 all 256. The dense layer behind
    reads their sum. Exact in real numbers for inputs in their range.
    """

    name = "insert-image-layer"
    requires = None
    ensures = None
    preserves = "approximation"
    measure = "none for inputs in their range; others are cut to it"
    reads = ("samples", "input_range")

    filters: int = field(default=0, validator=validators.ge(0))
    """How many filters share the range of the input, up to one for each level that is to be told apart (17 on an
    AKD1000); 0 inserts nothing."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with an image layer; raises DiagnosticError AKC0416 where the input has no such shape."""
        editor = Editor(module)
        dense = next((op for op in editor.ops if isinstance(op, nn.Dense | nn.Conv)), None)
        if not self.filters or not isinstance(dense, nn.Dense) or not is_leading(editor, dense):
            return module
        if len(editor.type_of(dense.x).shape) != 1:
            return module
        _insert(editor, dense, input_reach(module, context), self.filters, self.image_of(context.target))
        return editor.finish()

    def image_of(self, target: Target) -> ImageNumbers:
        """The image layer; raises DiagnosticError AKC0404 where there is none, or none with so many filters."""
        chip = target.numbers
        if chip.image is None:
            raise error("AKC0404", f"{self.name}: filters={self.filters}: {target.title} has no image layer")
        most = (2**chip.image.bits - 1) // (2**chip.bits - 1)
        if self.filters > most:
            raise error("AKC0404", f"{self.name}: filters={self.filters}: must be <= {most}")
        return chip.image


def _insert(editor: Editor, dense: nn.Dense, reach: tuple[float, float], filters: int, image: ImageNumbers) -> None:
    low, high = min(reach[0], 0.0), max(reach[1], 0.0)
    share = (high - low) / filters
    before = editor.producer(dense.x)
    replaced: tuple[Op, ...] = (before,) if isinstance(before, nn.Reshape) else ()
    source = before.x if isinstance(before, nn.Reshape) else dense.x
    d0, d1 = _map_shape(editor, source, dense, image)
    base, kernel = dense.name, min(image.kernels)
    picture = editor.make(nn.Reshape, editor.name(f"{base}_picture"), replaced, x=source, shape=(d0, d1, 1))
    conv = editor.make(
        nn.Conv,
        editor.name(f"{base}_image"),
        (),
        x=picture.name,
        weight=editor.weight(f"{base}.image", _identity(filters, kernel)),
        bias=editor.weight(f"{base}.image_bias", -low - share * np.arange(filters)) if low or filters > 1 else None,
        pad=(kernel // 2,) * 4,
        after=(picture,),
    )
    kind: type[Op] = nn.Relu if filters == 1 else nn.Clip
    limits = {} if filters == 1 else {"low": 0.0, "high": share}
    levels = editor.make(kind, editor.name(f"{base}_levels"), (), x=conv.name, after=(conv,), **limits)
    shape = (d0 * d1 * filters,)
    flat = editor.make(nn.Reshape, editor.name(f"{base}_in"), (), x=levels.name, shape=shape, after=(levels,))
    new = [evolve(op, origin=dense.origin) for op in (picture, conv, levels, flat)]
    editor.replace((*replaced, dense), *new, _widened(editor, dense, flat.name, filters, low))


def _identity(filters: int, size: int) -> Floats:
    """[filters, size, size, 1] with 1 in the middle."""
    kernel = np.zeros((filters, size, size, 1))
    kernel[:, size // 2, size // 2] = 1
    return kernel


def _widened(editor: Editor, dense: nn.Dense, x: str, filters: int, low: float) -> nn.Dense:
    """The dense layer on the sum of the filters, which is x - low."""
    weight = editor.array(dense.weight)
    bias = np.zeros(len(weight)) if dense.bias is None else editor.array(dense.bias)
    fields: dict[str, Any] = {}
    if low:
        name = dense.bias or f"{dense.weight.removesuffix('.weight')}.bias"
        fields["bias"] = editor.weight(name, bias + low * weight.sum(axis=1), dense)
    return evolve(dense, x=x, weight=editor.weight(dense.weight, np.repeat(weight, filters, axis=1), dense), **fields)


def _map_shape(editor: Editor, source: str, dense: nn.Dense, image: ImageNumbers) -> tuple[int, int]:
    """Rows and columns of a map with one channel whose cells, row by row, are those of the source."""
    shape = editor.type_of(source).shape
    cells = prod(shape)
    own = [(prod(shape[:cut]), prod(shape[cut:])) for cut in range(1, len(shape))]
    square = [(cells // d1, d1) for d1 in range(isqrt(cells), 0, -1) if cells % d1 == 0]
    for d0, d1 in (*own, *square):
        if d0 >= image.smallest and image.smallest <= d1 <= image.widest:
            return d0, d1
    raise error(
        "AKC0416",
        f"%{source}: {cells} cells are no map of at least {image.smallest}x{image.smallest} with at most {image.widest}"
        " on d1",
        span=dense.span(),
        origin=dense.origin,
        help="leave insert-image-layer out: the host then rounds the input to the levels of a dense layer",
    )
