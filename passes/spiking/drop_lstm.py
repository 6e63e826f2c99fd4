# SPDX-License-Identifier: Apache-2.0
"""drop-lstm: on request, recurrent layers are left out."""

from __future__ import annotations

import numpy as np
from attrs import field, frozen, validators

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Op
from akc.ir.ops import nn, nn_recurrent, snn_gated
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.rewrite import Editor

MODES = ("refuse", "mean", "last", "cut")

Recurrent = nn_recurrent.Recurrent | snn_gated.Gated


@frozen
class DropLstm:
    """Leave out nn.lstm, nn.gru, nn.rnn, snn.lstm and snn.conv_lstm, with a warning that names what is lost.

    A layer that gives all of its hidden states (all spiking ones do) is skipped: its input goes on, pooled
    where the layer pools. One that gives its last state is replaced by the mean of its input over time, or by
    the last input. Both need as many features as hidden states. What is left computes something else than
    the source network: train it again, or measure.
    """

    name = "drop-lstm"
    requires = None
    ensures = None
    preserves = "approximation"
    measure = "none: the layer is left out, and a warning says so"
    reads = ()

    by: str = field(default="refuse", validator=validators.in_(MODES))
    """refuse: leave them, so that the network is refused; mean: the mean over time; last: the last step;
    cut: the network ends in front of the first, for train-readout."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without recurrent layers; raises DiagnosticError AKC0431 for shapes that do not fit."""
        if self.by == "refuse":
            return module
        editor = Editor(module)
        layers = [op for op in editor.ops if isinstance(op, Recurrent)]
        if layers and self.by == "cut":
            context.warn(_cut_warning(layers))
            return _ended(module, layers[0].x)
        faults = [_misfit(op, editor) for op in layers if not _fits(op, editor)]
        if faults:
            raise DiagnosticError(faults)
        for op in layers:
            context.warn(_warning(op, editor, self.by))
            self.drop(op, editor)
        return editor.finish()

    def drop(self, op: Recurrent, editor: Editor) -> None:
        """Replace one layer."""
        if isinstance(op, snn_gated.Gated):
            editor.replace((op,), *_pool(op, editor))
        elif op.output == "all":
            editor.replace((op,))
        elif self.by == "mean":
            editor.replace((op,), editor.make(nn.Mean, op.name, (op,), x=op.x, axes=(0,)))
        else:
            editor.replace((op,), *_last_step(op, editor))


def _ended(module: Module, name: str) -> Module:
    """The net up to a value, which is its result."""
    made = {op.name: op for op in module.net.ops}
    needed, open_names = set(), [name]
    while open_names:
        op = made.get(open_names.pop())
        if op is not None and op.name not in needed:
            needed.add(op.name)
            open_names += op.operands
    kept = [s for s in module.net.statements if not isinstance(s, Op) or s.name in needed]
    return module.with_statements(kept, module.weights, outputs=(name,), output_types=(module.net.types[name],))


def _fits(op: Recurrent, editor: Editor) -> bool:
    return op.type.shape[-1] == editor.type_of(op.x).shape[-1]


def _pool(op: snn_gated.Gated, editor: Editor) -> tuple[Op, ...]:
    """What a layer does to a map besides its gates."""
    if not isinstance(op, snn_gated.ConvLstm) or op.pool == "none" or op.output == "membrane":
        return ()
    kind = nn.MaxPool if op.pool == "max" else nn.AveragePool
    return (editor.make(kind, op.name, (op,), x=op.x, size=op.size, stride=op.size),)


def _last_step(op: nn_recurrent.Recurrent, editor: Editor) -> tuple[Op, Op]:
    """The last row of [time, features] as a dense layer of ones and zeros, which later passes can fold."""
    steps, features = editor.type_of(op.x).shape
    selection = np.zeros((features, steps * features))
    selection[:, -features:] = np.eye(features)
    weight = editor.weight(f"{op.name}.last", selection)
    flat = editor.make(nn.Reshape, editor.name(f"{op.name}_flat"), (), x=op.x, shape=(steps * features,))
    return flat, editor.make(nn.Dense, op.name, (op,), x=flat.name, weight=weight, after=(flat,))


def _misfit(op: Recurrent, editor: Editor) -> Diagnostic:
    features, hidden = editor.type_of(op.x).shape[-1], op.type.shape[-1]
    return Diagnostic(
        code="AKC0431",
        message=f"{op.layer_name} (%{op.name}) turns {features} features into {hidden}",
        span=op.span(),
        origin=op.origin,
        help=(
            f"with {features} hidden states it could be left out",
            "drop-lstm{by=cut} ends the network in front of it, for a new read-out (train-readout)",
            "or train the network again without it",
        ),
    )


def _cut_warning(layers: list[Recurrent]) -> Diagnostic:
    first = layers[0]
    return Diagnostic(
        code="AKC0430",
        message=f"the network ends in front of {first.layer_name} (%{first.name})",
        span=first.span(),
        origin=first.origin,
        help="train-readout, or akc.train_readout, puts a new read-out behind what is left",
    )


def _warning(op: Recurrent, editor: Editor, how: str) -> Diagnostic:
    steps = editor.type_of(op.x).full_shape[0]
    goes_on = isinstance(op, snn_gated.Gated) or op.output == "all"
    instead = (
        "its input goes on unchanged"
        if goes_on
        else (f"the mean of its input over {steps} steps stands in" if how == "mean" else "its last input stands in")
    )
    return Diagnostic(
        code="AKC0430",
        message=f"{op.layer_name} (%{op.name}) is left out: {instead}",
        span=op.span(),
        origin=op.origin,
        help="what it remembered over time is lost; train the layers behind it again, or measure",
    )
