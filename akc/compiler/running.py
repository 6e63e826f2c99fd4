# SPDX-License-Identifier: Apache-2.0
"""Run a module of any level on the simulator, and let one that learns learn."""

from __future__ import annotations

from typing import Any

from akc.base.calls import FLAG, optional, public
from akc.base.diagnostics import error
from akc.base.progress import shown_in_notebooks
from akc.compiler.arguments import MODULE_OR_TEXT, RULES, SAMPLES
from akc.compiler.samples import as_array, samples_for
from akc.ir.module import MODULE, Module
from akc.ir.parser import parse


@public(module=MODULE_OR_TEXT, inputs=SAMPLES, raw=FLAG)
def run(module: Module | str, inputs: Any, raw: bool = False) -> Any:
    """Run a module of any level: imported and mappable ones in float, quantised and placed ones in the chip's integers.

    module: a Module, or .akir text; inputs: an array [batch, *shape] (with a time axis [batch, T, *shape]), a dict
    of arrays by input name, or a .npy or .npz file, in the source network's units; raw: the chip's own integers in
    and out. Returns an array [batch, *shape], or a dict by output name where there are several outputs. Raises
    DiagnosticError AKC0702, AKC0703 (inputs that do not fit), AKC0704, AKC0204 (what cannot be run), AKC0705 (raw).
    """
    from akc.sim.run import Runner

    module = parse(module) if isinstance(module, str) else module
    refuse_elided(module)
    runner = Runner(module)
    samples = samples_for(inputs, runner.raw_entries if raw else module.net.inputs, "inputs")
    with shown_in_notebooks() as runner.progress:
        outputs = runner.run(samples.inputs, raw)
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


@public(module=MODULE, inputs=SAMPLES, labels=optional(SAMPLES), seed=RULES["seed"])
def fit(module: Module, inputs: Any, labels: Any = None, seed: int = 0) -> Module:
    """The network after its last layer has learned from samples, one after the other.

    inputs: as for `akc.run`; labels: the class of each sample, a whole number, negative for none; or None for all
    (then the file's `labels`, if inputs is one with labels). seed: of the generator that draws which weights move.
    Raises DiagnosticError AKC0519 without a learning layer, AKC0703 for labels that do not fit.
    """
    from akc.sim.learning import fit as learn

    refuse_elided(module)
    samples = samples_for(inputs, module.net.inputs, "inputs")
    found = samples.labels if labels is None else as_array("labels", labels)
    return learn(module, samples.inputs, found, seed)


def refuse_elided(module: Module) -> None:
    """Raise DiagnosticError AKC0204 that names every weight whose numbers are elided."""
    names = [name for name, weight in module.weights.items() if weight.elided]
    if names:
        shown = ", ".join(f"#{n}" for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise error(
            "AKC0204",
            f"the numbers of {shown} are elided",
            span=module.weights[names[0]].span,
            help="use the text with its numbers: lower the model again without --weights=elide",
        )
