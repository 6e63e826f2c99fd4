# SPDX-License-Identifier: Apache-2.0
"""What the parameters of the public functions take: one row a parameter, the same wherever it stands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Real
from typing import Any

from akc.base.calls import (
    FLAG,
    PATH,
    Rule,
    instance,
    is_number,
    is_shape,
    one_of,
    optional,
    that,
    unfit,
    unknown_word,
    whole,
)
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.compiler.checks.record import LEVELS
from akc.ir.module import Module
from akc.targets import load_target

HOSTS = ("refuse", "allow")
RESETS = ("subtract", "zero", "none")


def _ways() -> tuple[str, ...]:
    from akc.passes.shared.neurons.spikes import WAYS

    return WAYS


def _codings() -> tuple[str, ...]:
    from akc.frontends.spiking.reader import CODINGS

    return CODINGS


def _readouts() -> tuple[str, ...]:
    from akc.frontends.spiking.reader import READOUTS

    return READOUTS


def _producers() -> tuple[str, ...]:
    from akc.frontends.spiking.nir_producers import PRODUCERS

    return ("auto", *PRODUCERS)


def _is_example(value: Any) -> bool:
    """A shape, something like a tensor, or a sequence of these."""
    if isinstance(value, str | bytes | Mapping):
        return False
    if isinstance(value, tuple | list):
        return is_shape(value) or all(_is_example(one) for one in value)
    return hasattr(value, "shape") or hasattr(value, "__array__")


def _is_range(value: Any) -> bool:
    """Two numbers; whether they are finite and in order is a fault of its own (AKC0905)."""
    return isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(n, Real) for n in value)


def _target(name: str, value: Any) -> Diagnostic | None:
    try:
        load_target(value)
    except DiagnosticError as fault:
        return fault.diagnostics[0]
    return None


def _is_samples(value: Any) -> bool:
    """Something that may become arrays; what is in them is looked at when they are read."""
    return value is not None and not isinstance(value, bytes | bool | type | set) and not callable(value)


def _is_pass_options(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())


def _accept(name: str, value: Any) -> Diagnostic | None:
    """A list of reasons that can be accepted."""
    if not isinstance(value, tuple | list) or not all(isinstance(word, str) for word in value):
        return unfit(name, value, "give a list of reasons, each as the refusal named it")
    if not value:
        return None
    from akc.frontends.spiking.refusals import REFUSALS

    known = [reason for reason, row in REFUSALS.items() if row.acceptable]
    return next((unknown_word(name, word, known) for word in value if word not in known), None)


MODULE_OR_TEXT = instance(Module, str, help="give a module, or .akir text")
SAMPLES = that(_is_samples, "give an array, a dict of arrays by input name, or the name of a .npz or .npy file")
RANGE = that(_is_range, "give the smallest and the largest number: (0.0, 1.0)")

RULES: dict[str, Rule] = {
    "target": _target,
    "example": optional(that(_is_example, "give a tensor, or a shape with its batch axis: (1, 1, 28, 28)")),
    "calibrate": optional(SAMPLES),
    "input_range": optional(RANGE),
    "pipeline": optional(instance(str, help="give names of passes: 'fold-batchnorm,lower-int4{weights=4}'")),
    "host": one_of(lambda: HOSTS),
    "dump_dir": optional(PATH),
    "options": optional(that(_is_pass_options, "give a dict of dicts by pass: {'lower-int4': {'weights': 2}}")),
    "spikes": optional(one_of(_ways)),
    "least": optional(that(lambda n: is_number(n) and 0 <= n <= 1, "give a share from 0 to 1")),
    "check": one_of(lambda: LEVELS),
    "engine_version": optional(instance(str, help="give a version such as '2.19.3'")),
    "steps": optional(whole(1)),
    "dt": optional(that(lambda n: is_number(n) and n > 0, "give the length of a time step in seconds")),
    "coding": optional(one_of(_codings)),
    "readout": optional(one_of(_readouts)),
    "reset": optional(one_of(lambda: RESETS)),
    "producer": optional(one_of(_producers)),
    "topology": optional(instance(str, os.PathLike, help="give a chain such as '784-256-10', or a TOML file's name")),
    "accept": _accept,
    "windows": whole(1),
    "strength": that(lambda n: is_number(n) and n >= 0, "give a number from 0 on; 0 chooses"),
    "replace": FLAG,
    "raw": FLAG,
    "seed": whole(0),
}
"""The rule of each parameter by its name."""


def rules(*names: str) -> dict[str, Rule]:
    """The rows of these parameters."""
    return {name: RULES[name] for name in names}
