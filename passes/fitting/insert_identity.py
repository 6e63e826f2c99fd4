# SPDX-License-Identifier: Apache-2.0
"""insert-identity: a 1x1 convolution that changes nothing, where the chip needs one."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.chains import Group, split
from akc.passes.shared.rewriting.geometry import image_plan
from akc.passes.shared.rewriting.identities import same_rectifier
from akc.passes.shared.rewriting.rewrite import Editor
from akc.targets import Numbers


@frozen
class InsertIdentity:
    """Put an identity convolution and a ReLU behind a max pool that no convolution follows.

    The chip pools only in front of a convolution, or in the image layer. The values are 0 or more, so the
    ReLU changes nothing; with the weight at its largest and a threshold of half of it, levels go through as
    they are. Exact in real numbers and in integers.
    """

    name = "insert-identity"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with identities inserted."""
        changed = _with_identities(module, context.target.numbers)
        return module if changed is module else self.run(changed, context)


def _with_identities(module: Module, chip: Numbers) -> Module:
    """Identities behind the pools that are part of a layer; a pool behind a pool is part of the identity then."""
    editor = Editor(module)
    for segment in split(module).segments:
        for index, group in enumerate(segment.groups):
            follower = segment.groups[index + 1] if index + 1 < len(segment.groups) else None
            if _needs_one(group, follower, index == 0, module, chip):
                _insert(editor, group.last)
    return editor.finish()


def _needs_one(group: Group, follower: Group | None, first: bool, module: Module, chip: Numbers) -> bool:
    """Whether a max pool of 0 or more stands where the chip has none."""
    if not isinstance(group.pool, nn.MaxPool) or group.activation is None:
        return False
    if follower is not None and isinstance(follower.core, nn.Conv):
        return False
    return not (first and image_plan(group, module, chip) is not None)


def _insert(editor: Editor, op: Op) -> None:
    before = editor.producer(op.name)
    assert before is not None
    channels = op.type.shape[2]
    weight = editor.weight(f"{op.name}.identity", np.eye(channels)[:, None, None, :])
    renamed = evolve(before, result=evolve(before.result, name=editor.name(f"{op.name}_pooled")))
    conv = editor.make(nn.Conv, editor.name(f"{op.name}_identity"), (), x=renamed.name, weight=weight, after=(renamed,))
    relu = same_rectifier(editor, renamed.operands[0], op.name, conv)
    kept = before.result
    new = [evolve(o, origin=before.origin, result=o.result.ranged_like(kept)) for o in (conv, relu)]
    editor.replace((before,), renamed, *new)
