# SPDX-License-Identifier: Apache-2.0
"""merge-skipdma: neighbouring sequences become one program."""

from __future__ import annotations

from attrs import evolve, frozen

from akc.ir.module import Module, Net, Sequence, Statement
from akc.passes.shared.contract import PassContext


@frozen
class MergeSkipdma:
    """Join sequences where the second takes nothing but the result of the first.

    AKD1000 has no skip DMA units. What public notes call SkipDMA merging is this: layers of one program
    hand their events from NP to NP over the mesh, and no result goes back to the host in between.
    """

    name = "merge-skipdma"
    requires = "quantised"
    ensures = None
    preserves = "levels"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with as few sequences as possible."""
        merged: list[Statement] = []
        for statement in module.net.statements:
            before = merged[-1] if merged else None
            if (
                isinstance(statement, Sequence)
                and isinstance(before, Sequence)
                and _feeds(before, statement, module.net)
            ):
                merged[-1] = evolve(
                    before,
                    ops=before.ops + statement.ops,
                    comments=before.comments + statement.comments,
                    trailing_comments=before.trailing_comments + statement.trailing_comments,
                )
            else:
                merged.append(statement)
        if len(merged) == len(module.net.statements):
            return module
        return module.with_statements(_numbered(merged))


def _feeds(first: Sequence, second: Sequence, net: Net) -> bool:
    """Whether the first's result goes into the second and nowhere else."""
    result = first.ops[-1].name
    made = {op.name for op in second.ops}
    outside = {name for op in second.ops for name in op.operands if name not in made}
    readers = net.uses(result)
    return outside == {result} and result not in net.outputs and all(r.name in made for r in readers)


def _numbered(statements: list[Statement]) -> list[Statement]:
    """Sequences named s0, s1, ... again where they had such names."""
    count = iter(range(len(statements)))
    return [
        evolve(s, name=f"s{next(count)}")
        if isinstance(s, Sequence) and s.name[:1] == "s" and s.name[1:].isdigit()
        else s
        for s in statements
    ]
