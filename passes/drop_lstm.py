# SPDX-License-Identifier: Apache-2.0
"""drop-lstm: on request, recurrent layers are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import field, frozen, validators

from akc.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.rewrite import Editor

MODES = ("refuse", "mean", "last")


@frozen
class DropLstm:
    """Leave out nn.lstm, nn.gru and nn.rnn, with a warning that names what is lost.

    A layer that gives all of its hidden states is skipped: its input goes on. One that gives its last
    state is replaced by the mean of its input over time, or by the last input. Both need as many features as
    hidden states. What is left computes something else than the source network: train it again, or measure.
    """

    name = "drop-lstm"
    requires = None
    ensures = None

    by: str = field(default="refuse", validator=validators.in_(MODES))
    """refuse: leave them, so that legalize refuses the network; mean: the mean over time; last: the last step."""

    def run(self, module: Module, context: Any) -> Module:
        """The module without recurrent layers; raises DiagnosticError AKC0431 for shapes that do not fit."""
        if self.by == "refuse":
            return module
        editor = Editor(module)
        layers = [op for op in editor.ops if isinstance(op, nn._Recurrent)]
        faults = [_misfit(op, editor) for op in layers if not _fits(op, editor)]
        if faults:
            raise DiagnosticError(faults)
        for op in layers:
            context.warn(_warning(op, editor, self.by))
            self.drop(op, editor)
        return editor.finish()

    def drop(self, op: nn._Recurrent, editor: Editor) -> None:
        """Replace one layer."""
        if op.output == "all":
            editor.replace((op,))
        elif self.by == "mean":
            editor.replace((op,), editor.make(nn.Mean, op.name, (op,), x=op.x, axes=(0,)))
        else:
            editor.replace((op,), *_last_step(op, editor))


def _fits(op: nn._Recurrent, editor: Editor) -> bool:
    return op.type.shape[-1] == editor.type_of(op.x).shape[-1]


def _last_step(op: nn._Recurrent, editor: Editor) -> tuple[Op, Op]:
    """The last row of [time, features] as a dense layer of ones and zeros, which later passes can fold."""
    steps, features = editor.type_of(op.x).shape
    selection = np.zeros((features, steps * features))
    selection[:, -features:] = np.eye(features)
    weight = editor.weight(f"{op.name}.last", selection)
    flat = editor.make(nn.Reshape, editor.name(f"{op.name}_flat"), (), x=op.x, shape=(steps * features,))
    return flat, editor.make(nn.Dense, op.name, (op,), x=flat.name, weight=weight, after=(flat,))


def _misfit(op: nn._Recurrent, editor: Editor) -> Diagnostic:
    features, hidden = editor.type_of(op.x).shape[-1], op.type.shape[-1]
    return Diagnostic(
        code="AKC0431",
        message=f"{op.layer_name} (%{op.name}) turns {features} features into {hidden}",
        span=op.span(),
        origin=op.origin,
        help=(f"with {features} hidden states it could be left out", "or train the network again without it"),
    )


def _warning(op: nn._Recurrent, editor: Editor, how: str) -> Diagnostic:
    steps = editor.type_of(op.x).shape[0]
    instead = (
        "its input goes on unchanged"
        if op.output == "all"
        else (f"the mean of its input over {steps} steps stands in" if how == "mean" else "its last input stands in")
    )
    return Diagnostic(
        code="AKC0430",
        message=f"{op.layer_name} (%{op.name}) is left out: {instead}",
        span=op.span(),
        origin=op.origin,
        help="what it remembered over time is lost; train the layers behind it again, or measure",
    )
