# SPDX-License-Identifier: Apache-2.0
"""fold-batchnorm: batch normalisation and other scalings disappear into the weights of a neighbour."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module, Op
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.affine import fold_back, fold_forward, is_leading, swap_pool
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class FoldBatchnorm:
    """Fold nn.batch_norm and nn.affine into the dense or convolutional layer before or behind them.

    Exact in real numbers. The layer in front is preferred; the layer behind takes a shift only if it
    does not pad, since its border holds zeros. A scaling behind a max pool moves in front of it where its
    factors are positive. The statistics of a folded batch normalisation are
    kept as the recorded range of the layer's result, for use when there are no calibration samples.
    A scaling of the net's input is left to fold-input.
    """

    name = "fold-batchnorm"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without the scalings that could be folded."""
        return rewrite(module, swap_pool, fold_back, _fold_inner_forward)


def _fold_inner_forward(editor: Editor, op: Op) -> bool:
    return bool(op.operands) and not is_leading(editor, op) and fold_forward(editor, op)
