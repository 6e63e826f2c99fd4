# SPDX-License-Identifier: Apache-2.0
"""Strided convolutions as plain ones with identities behind that leave cells out."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group, split
from akc.passes.shared.rewriting.geometry import image_plan
from akc.passes.shared.rewriting.global_average import without_means
from akc.passes.shared.rewriting.input_border import with_host_border
from akc.passes.shared.rewriting.mirrored import fits, mirrored_to_fit
from akc.passes.shared.rewriting.rewrite import Editor
from akc.passes.shared.rewriting.windows import common_stride, obstacle
from akc.targets import Numbers, Target


def without_strides(module: Module, target: Target) -> Module:
    """The module without such strides; without smaller ones, too, if only then every window finds its place."""
    chip = target.numbers
    editor = Editor(module)
    for group in _strided(module, chip):
        if max(_kernel(group, module)) > chip.largest(2) or common_stride(_conv(group)) == 4:
            _split(editor, group)
    split_up = editor.finish()
    while not fits_at_all(split_up, target):
        further = _further(split_up, chip)
        if further is None:
            return editor.finish()
        split_up = further
    return split_up


def fits_at_all(module: Module, target: Target) -> bool:
    """Whether the passes behind this one find a place for every window."""
    return fits(mirrored_to_fit(without_means(module, target), target.numbers), target.numbers)


def _strided(module: Module, chip: Numbers) -> list[Group]:
    """Groups outside of the image layer with stride 2 or 4 and an activation that reaches down to 0."""
    padded = with_host_border(module, chip)
    image = {g.core.name for g in split(padded).groups[:1] if image_plan(g, padded, chip) is not None}
    return [g for g in split(module).groups if g.core.name not in image and _is_candidate(g, module, chip)]


def _is_candidate(group: Group, module: Module, chip: Numbers) -> bool:
    activation, mean = group.activation, isinstance(group.pool, nn.Mean)
    if not isinstance(group.core, nn.Conv) or group.core.dilation != (1, 1) or activation is None or mean:
        return False
    if not chip.largest(2):
        return False
    if isinstance(activation, nn.Clip) and activation.low != 0:
        return False
    stride, kernel = common_stride(group.core), max(_kernel(group, module))
    return kernel <= chip.largest() and (stride == 4 or (stride == 2 and kernel > 1))


def _conv(group: Group) -> nn.Conv:
    assert isinstance(group.core, nn.Conv)
    return group.core


def _kernel(group: Group, module: Module) -> tuple[int, ...]:
    return module.weights[group.core.weight].type.shape[1:3]


def _further(module: Module, chip: Numbers) -> Module | None:
    """The module with the last stride up to the layer that finds no place split, too; None where there is none."""
    padded = with_host_border(module, chip)
    stuck = [found for s in split(padded).segments if (found := obstacle(s, padded, chip)) is not None]
    order = [g.core.name for g in split(module).groups]
    if not stuck:
        return None
    reach = order.index(stuck[0].core.name)
    candidates = [g for g in _strided(module, chip) if order.index(g.core.name) <= reach]
    if not candidates:
        return None
    editor = Editor(module)
    _split(editor, candidates[-1])
    return editor.finish()


def _split(editor: Editor, group: Group) -> None:
    """All cells up to the activation, or up to a pool in front of it, and then identities."""
    conv = group.core
    assert isinstance(conv, nn.Conv) and group.activation is not None
    pooled_first = group.pool is not None and group.ops.index(group.pool) < group.ops.index(group.activation)
    last = group.filters_op if pooled_first else group.activation
    inner = group.ops[: group.ops.index(last) + 1]
    made: list[Op] = []
    for op in inner:
        name = editor.name(f"{op.name}_all") if op is last else op.name
        fields: dict[str, Any] = {"stride": _every_cell(conv)} if op is conv else {}
        moved = evolve(op, result=evolve(op.result, name=name), **fields)
        made.append(editor.retyped(moved.renamed({last.name: name}), *made))
    made += [_relu(editor, f"{last.name}_all_relu", last, made)] if pooled_first else []
    twos = int(common_stride(conv) or 1).bit_length() - 1
    for number in range(1, twos + 1):
        final = number == twos
        conv_name = last.name if final and pooled_first else editor.name(f"{last.name}_by_{2**number}")
        made.append(_every_second(editor, conv, conv_name, last, made))
        if not (final and pooled_first):
            made.append(_relu(editor, last.name if final else f"{conv_name}_relu", last, made, final))
    editor.replace(inner, *made)


def _every_cell(conv: nn.Conv) -> tuple[int, ...]:
    """Stride 1, save for an axis with a single output, which keeps its own and with it the single output."""
    return tuple(1 if n > 1 else s for s, n in zip(conv.stride, conv.type.shape))


def _relu(editor: Editor, name: str, last: Op, made: list[Op], final: bool = False) -> nn.Relu:
    relu = editor.make(nn.Relu, name if final else editor.name(name), (), x=made[-1].name, after=tuple(made))
    return evolve(relu, origin=last.origin, result=relu.result.ranged_like(last.result))


def _every_second(editor: Editor, conv: nn.Conv, name: str, last: Op, made: list[Op]) -> nn.Conv:
    """A 1x1 identity that takes every second cell of each axis that the convolution takes steps on."""
    channels = made[-1].type.shape[2]
    identity = editor.make(
        nn.Conv,
        name,
        (),
        x=made[-1].name,
        weight=editor.weight(f"{last.name}.identity", np.eye(channels)[:, None, None, :]),
        stride=tuple(2 if s > 1 and n > 1 else 1 for s, n in zip(conv.stride, conv.type.shape)),
        after=tuple(made),
    )
    return evolve(identity, origin=last.origin, result=identity.result.ranged_like(last.result))
