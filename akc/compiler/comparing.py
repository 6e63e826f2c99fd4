# SPDX-License-Identifier: Apache-2.0
"""A lowered network beside the source that it came from, on samples."""

from __future__ import annotations

from typing import Any

from akc.base.calls import public
from akc.base.progress import shown_in_notebooks
from akc.compiler.arguments import MODULE_OR_TEXT, RULES, SAMPLES
from akc.compiler.running import refuse_elided
from akc.compiler.samples import samples_for
from akc.compiler.sources import Options, read_source
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.sim.compare import Comparison
from akc.sim.compare import compare as compare_modules


@public(module=MODULE_OR_TEXT, inputs=SAMPLES, example=RULES["example"])
def compare(module: Module | str, source: Any, inputs: Any, *, example: Any = None) -> Comparison:
    """How near a quantised or placed network comes to its source, layer by layer and by the answers.

    module: a Module, or .akir text; source: as `akc.lower` takes it, a float Module too (example: for PyTorch modules);
    inputs: samples as `akc.run` takes them, `labels` in a file or dict are classes. The result has `.to_text()` and
    `.to_dict()`, and displays in notebooks. Raises DiagnosticError as `akc.lower` and `akc.run` do, AKC0203 where
    `module` has no chip layer.
    """
    module = parse(module) if isinstance(module, str) else module
    reference = read_source(source, Options(example=() if example is None else example))
    refuse_elided(module)
    samples = samples_for(inputs, reference.net.inputs, "inputs")
    with shown_in_notebooks() as progress:
        return compare_modules(module, reference, samples.inputs, samples.labels, progress=progress)
