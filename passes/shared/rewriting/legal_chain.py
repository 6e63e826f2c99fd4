# SPDX-License-Identifier: Apache-2.0
"""A float network cut at the layers that the chip cannot take: those are the host's."""

from __future__ import annotations

from akc.ir.module import Module, Op
from akc.passes.shared.rewriting.chains import Chain, Group, Segment, split, without_pool
from akc.passes.shared.rewriting.legal_layers import group_faults
from akc.targets import Numbers


def legal_chain(module: Module, chip: Numbers) -> Chain:
    """The chain of a float net, with the groups that the chip cannot take, or a pool of them, as ops for the host."""
    parts: list[Op | Segment] = []
    for part in split(module).parts:
        parts += [part] if isinstance(part, Op) else _legal_parts(part, module, chip)
    return Chain(parts=tuple(parts))


def _legal_parts(segment: Segment, module: Module, chip: Numbers) -> list[Op | Segment]:
    """A segment cut at the groups that the chip cannot take, and where one loses its pool to the host."""
    parts: list[Op | Segment] = []
    run: list[Group] = []
    for group, legal in zip(*_legality(segment.groups, module, chip), strict=True):
        if legal:
            run.append(group)
        if not legal or group.left_over:
            parts += [_segment(run)] if run else []
            parts += group.left_over if legal else group.ops
            run = []
    return parts + ([_segment(run)] if run else [])


def _segment(groups: list[Group]) -> Segment:
    return Segment(source=groups[0].ops[0].operands[0], groups=tuple(groups))


def _legality(groups: tuple[Group, ...], module: Module, chip: Numbers) -> tuple[list[Group], list[bool]]:
    """The groups, without their pool where only that is at fault, and which of them the chip takes.

    Whether it takes one depends on its neighbours, so this goes on until nothing changes.
    """
    found = list(groups)
    legal = [True] * len(found)
    for _ in range(2 * len(found) + 1):
        before = (list(found), list(legal))
        for i, group in enumerate(found):
            first = i == 0 or not legal[i - 1] or bool(found[i - 1].left_over)
            follower = found[i + 1] if i + 1 < len(found) and legal[i + 1] else None
            legal[i] = _takes(group, module, chip, first, follower)
            shorter = without_pool(group)
            if not legal[i] and shorter is not None and _takes(shorter, module, chip, first, None):
                found[i], legal[i] = shorter, True
        if (found, legal) == before:
            break
    return found, legal


def _takes(group: Group, module: Module, chip: Numbers, first: bool, follower: Group | None) -> bool:
    return next(group_faults(group, module, chip, first, follower), None) is None
