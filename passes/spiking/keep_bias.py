# SPDX-License-Identifier: Apache-2.0
"""keep-bias: biases in front of neurons on the host are added by the host, where they lose nothing."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.fields import WeightName
from akc.ir.module import Module, Op
from akc.ir.ops import host, nn, snn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.rewrite import Editor

LAYERS = (nn.Dense, nn.Conv)

ON_THE_HOST = (snn.Neuron, host.Add, host.Tanh)


@frozen
class KeepBias:
    """Take the bias out of a layer that only neurons and sums on the host read, and let the host add it.

    The chip would round it to whole potentials, which are worth one step of the weights each. Without it,
    potentials are exact wherever weights and inputs are. Nothing changes without --host=allow.
    """

    name = "keep-bias"
    requires = None
    ensures = None
    preserves = "values"
    reads = ("host",)

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with nn.affine behind such layers."""
        if context.host != "allow":
            return module
        editor = Editor(module)
        for op in editor.ops:
            reader = editor.user(op.name)
            if isinstance(op, LAYERS) and op.bias is not None and isinstance(reader, ON_THE_HOST):
                self.take_out(op, editor)
        return editor.finish()

    def take_out(self, op: nn.Dense | nn.Conv, editor: Editor) -> None:
        """layer -> layer without bias, affine."""
        assert op.bias is not None
        sums = editor.name(f"{op.name}.sums")
        bare = evolve(op, bias=None, result=evolve(op.result, name=sums, range=None))
        bias = editor.array(op.bias)
        number = float(bias[0]) if bool((bias == bias[0]).all()) else WeightName(op.bias)
        if not np.any(bias):
            editor.replace((op,), evolve(op, bias=None))
            return
        made: Op = editor.make(nn.Affine, op.name, (), x=sums, shift=number, after=(bare,))
        editor.replace((op,), bare, evolve(made, origin=op.origin))
