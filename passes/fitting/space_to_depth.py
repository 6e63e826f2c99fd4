# SPDX-License-Identifier: Apache-2.0
"""space-to-depth: the host hands the cells of one step over as channels, so that a first stride becomes 1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.affine import is_leading
from akc.passes.shared.rewriting.chains import split
from akc.passes.shared.rewriting.geometry import image_plan
from akc.passes.shared.rewriting.groups import ungrouped
from akc.passes.shared.rewriting.input_border import with_host_border
from akc.passes.shared.rewriting.rewrite import Editor, Floats
from akc.passes.shared.rewriting.rows import with_rows
from akc.passes.shared.rewriting.strides import fits_at_all, without_strides
from akc.passes.shared.rewriting.unfolding import unfolded
from akc.passes.shared.rewriting.windows import common_stride
from akc.targets import Numbers, Target


@frozen
class SpaceToDepth:
    """Take the stride out of a convolution that reads the net's input, if the chip has no such layer.

    With stride s, output i reads cells s i to s i + k - 1. Cut into blocks of s cells, each the channels of one
    cell, the input is read by a kernel of k / s blocks with stride 1: a 10x4 kernel with stride 2 becomes 5x2 on four
    times the channels. The host only moves numbers; where the border does not begin with a block, zeros in front
    of the kernel or of the input make up for it. Where windows find no place, with a stride or without one, such as on
    maps of odd lengths, the host hands each window over as the channels of one cell, and only those that are read:
    what is left is a 1x1 convolution. Exact.
    """

    name = "space-to-depth"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without the stride; the same object where the chip has it, or where there is no way."""
        chain = split(module)
        conv = chain.groups[0].core if chain.groups else None
        if not isinstance(conv, nn.Conv) or not is_leading(Editor(module), conv):
            return module
        if _image_layer(module, context.target.numbers):
            return module

        def fits(one: Module) -> bool:
            return _fits(one, context.target)

        blocks = self.in_blocks(module, conv, context.target)
        return blocks if fits(blocks) else unfolded(module, conv, fits) or blocks

    def in_blocks(self, module: Module, conv: nn.Conv, target: Target) -> Module:
        """The module whose first convolution reads blocks; the same object where it has no need of it."""
        chip = target.numbers
        if common_stride(conv) == 1 or conv.dilation != (1, 1):
            return module
        native = common_stride(conv) == 2 and max(module.weights[conv.weight].type.shape[1:3]) <= chip.largest(2)
        if native and fits_at_all(module, target):
            return module
        candidates = [_rearranged(module, conv, ways) for ways in _choices(module, conv, chip.kernels[1])]
        found = next((c for c in candidates if _fits(c, target)), None)
        return found or (module if native or not candidates else candidates[0])


def _fits(module: Module, target: Target) -> bool:
    """Whether every window finds its place, with the help of the passes behind this one."""
    return fits_at_all(without_strides(with_rows(module, target.numbers), target), target)


def _image_layer(module: Module, chip: Numbers) -> bool:
    """Whether the image layer takes the first convolution, which has strides of its own."""
    padded = with_host_border(module, chip)
    return image_plan(split(padded).groups[0], padded, chip) is not None


@frozen
class Way:
    """One axis in blocks.

    stride: cells of a block; blocks: how many; host: zeros that the host puts in front of the input;
    shift: zeros in front of the kernel; kernel: blocks that it spans; before, after: blocks of zeros around the
    input, the layer's own padding.
    """

    stride: int
    blocks: int
    host: int
    shift: int
    kernel: int
    before: int
    after: int


def _choices(module: Module, conv: nn.Conv, kernels: tuple[int, ...]) -> list[tuple[Way, Way]]:
    """The ways for both axes, those that do without the largest kernel and with the fewest host zeros first."""
    ways = [list(_ways(module, conv, axis, max(kernels))) for axis in (0, 1)]
    pairs = [(first, second) for first, second in product(*ways)]
    below = max((k for k in kernels if k < max(kernels)), default=0)
    return sorted(pairs, key=lambda pair: (max(w.kernel for w in pair) > below, sum(w.host for w in pair)))


def _ways(module: Module, conv: nn.Conv, axis: int, largest: int) -> Iterator[Way]:
    """Ways for one axis whose kernel the chip can have.

    A window begins at cell stride * i - pad - shift + host, which must begin a block.
    """
    pad, size, outputs = conv.pad[axis], module.net.types[conv.x].shape[axis], conv.type.shape[axis]
    stride = conv.stride[axis] if outputs > 1 else 1
    own = module.weights[conv.weight].type.shape[1 + axis]
    kernels = dict.fromkeys(((0, -pad % stride), (pad % stride, 0)))
    for host, shift in dict.fromkeys((*kernels, *((pad + shift, shift) for _, shift in kernels))):
        before = (pad + shift - host) // stride
        kernel = -(-(own + shift) // stride)
        whole = outputs - 1 + kernel - before
        blocks = -(-(size + host) // stride) if before or not pad else max(whole, -(-(size + host) // stride))
        kernel += max(0, blocks - whole)
        if kernel <= largest:
            yield Way(stride, blocks, host, shift, kernel, before, max(0, whole - blocks))


def _rearranged(module: Module, conv: nn.Conv, ways: tuple[Way, Way]) -> Module:
    editor = Editor(module)
    front = _blocks(editor, conv, ways)
    layer = evolve(
        conv,
        x=front[-1].name,
        weight=editor.weight(conv.weight, _kernel(editor, conv, ways), conv),
        stride=(1, 1),
        pad=(ways[0].before, ways[1].before, ways[0].after, ways[1].after),
        groups=1,
    )
    editor.replace((conv,), *front, layer)
    return editor.finish()


def _blocks(editor: Editor, conv: nn.Conv, ways: tuple[Way, Way]) -> list[Op]:
    """Host ops from the input to one whose cells are blocks."""
    shape, stride = editor.type_of(conv.x).shape, [w.stride for w in ways]
    ops: list[Op] = []

    def add(kind: type[Op], what: str, **fields: Any) -> None:
        x = ops[-1].name if ops else conv.x
        op = editor.make(kind, editor.name(f"{conv.name}_{what}"), (), x=x, after=tuple(ops), **fields)
        ops.append(evolve(op, origin=conv.origin))

    behind = [w.blocks * s - n - w.host for w, s, n in zip(ways, stride, shape)]
    if any(behind) or any(w.host for w in ways):
        add(nn.Pad, "padded", pad=(ways[0].host, ways[1].host, *behind))
    if stride[0] > 1 and ways[1].blocks * stride[1] > 1:
        add(nn.Reshape, "cut", shape=(ways[0].blocks, stride[0], ways[1].blocks, stride[1] * shape[2]))
        add(nn.Permute, "turned", order=(0, 2, 1, 3))
    add(nn.Reshape, "blocks", shape=(ways[0].blocks, ways[1].blocks, stride[0] * stride[1] * shape[2]))
    return ops


def _kernel(editor: Editor, conv: nn.Conv, ways: tuple[Way, Way]) -> Floats:
    """[filters, blocks, blocks, cells of a block * channels]."""
    own = ungrouped(editor.array(conv.weight), conv.groups)
    filters, k0, k1, channels = own.shape
    w0, w1 = ways
    s0, s1 = w0.stride, w1.stride
    wide = np.zeros((filters, w0.kernel * s0, w1.kernel * s1, channels))
    wide[:, w0.shift : w0.shift + k0, w1.shift : w1.shift + k1] = own
    cut = wide.reshape(filters, w0.kernel, s0, w1.kernel, s1, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(filters, w0.kernel, w1.kernel, s0 * s1 * channels)
