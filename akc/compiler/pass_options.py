# SPDX-License-Identifier: Apache-2.0
"""Options of passes that come from a call: {"lower-int4": {"weights": 2}}, checked like those of a pipeline string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import attrs

from akc.base.calls import suggestion
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.compiler.pipeline import option_limit, parse_pipeline
from akc.passes.shared.contract import Pass


def configured(pipeline: str, options: Mapping[str, Mapping[str, Any]]) -> list[Pass]:
    """The passes of a pipeline, with option values set.

    Raises DiagnosticError with every pass that is not in it (AKC0402), option that a pass has not (AKC0403) and
    value that an option cannot take (AKC0404).
    """
    passes = parse_pipeline(pipeline)
    names = [p.name for p in passes]
    faults = [_no_pass(name, names) for name in options if name not in names]
    made = [_with_options(p, options.get(p.name, {}), faults) for p in passes]
    if faults:
        raise DiagnosticError(faults)
    return made


def _no_pass(name: str, names: list[str]) -> Diagnostic:
    help = suggestion(name, names, "it runs", cutoff=0.8)
    return Diagnostic(code="AKC0402", message=f"the pipeline has no pass {name}", help=help)


def _with_options(one: Pass, options: Mapping[str, Any], faults: list[Diagnostic]) -> Pass:
    kind = type(one)
    names = {f.alias: f.name for f in attrs.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for key, value in options.items():
        if key not in names:
            message = f"{one.name} has no option {key}"
            faults.append(Diagnostic(code="AKC0403", message=message, help=suggestion(key, names)))
            continue
        reason = _obstacle(one, key, value, hints[names[key]])
        if reason:
            faults.append(Diagnostic(code="AKC0404", message=f"{one.name}: {key}={value!r}: {reason}"))
        else:
            one = attrs.evolve(one, **{key: value})  # type: ignore[misc]
    return one


def _obstacle(one: Pass, key: str, value: Any, hint: Any) -> str:
    """Why an option cannot have a value, in words; empty where it can."""
    kinds = get_args(hint) or (hint,)
    fits = tuple(int | float if kind is float else kind for kind in kinds)
    if not isinstance(value, fits) or (isinstance(value, bool) and bool not in kinds):
        words = [_KIND_WORDS.get(kind, kind.__name__) for kind in kinds]
        return f"{' or '.join(words)} is needed"
    try:
        attrs.evolve(one, **{key: value})  # type: ignore[misc]
    except (ValueError, TypeError) as fault:
        return option_limit(fault)
    return ""


_KIND_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a word", type(None): "None"}
