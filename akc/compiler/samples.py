# SPDX-License-Identifier: Apache-2.0
"""Sample files: arrays for calibration, comparison and running, from .npy, .npz and standard input."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.budget import account
from akc.base.calls import unfit
from akc.base.diagnostics import DiagnosticError, Note, error
from akc.base.files import read_bytes
from akc.compiler.sample_files import read_arrays
from akc.ir.module import Array, Value


@frozen
class SampleSet:
    """inputs: arrays by input name, batch axis first; labels: int classes [batch], or None."""

    inputs: dict[str, Array]
    labels: Array | None = None

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(next(iter(self.inputs.values())))


def load_samples(path: str | os.PathLike[str], entries: Sequence[Value]) -> SampleSet:
    """Samples for the inputs of a network (or, raw, for the values that enter the chip).

    A .npz holds arrays named like the inputs (a lone array besides `labels` may have any name); a .npy is
    the only input. A missing batch axis is added. Raises DiagnosticError AKC0701 to AKC0703.
    """
    return match_samples(_read_arrays(path), entries, str(path))


def samples_for(given: Any, entries: Sequence[Value], where: str) -> SampleSet:
    """Samples given as a file, an array, a dict by input name or a SampleSet, as those of `entries`.

    where: the parameter, for messages. Raises DiagnosticError AKC0701 to AKC0703.
    """
    if isinstance(given, SampleSet):
        return given
    if isinstance(given, str | os.PathLike):
        return load_samples(given, entries)
    named = given if isinstance(given, Mapping) else {"": given}
    return match_samples({name: as_array(name, array) for name, array in named.items()}, entries, where)


def as_array(name: str, values: Any) -> Array:
    """Numbers of any kind as an array; raises DiagnosticError AKC0703 for what is none."""
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as fault:
        what = f"the array for %{name}" if name else "the array"
        raise error("AKC0703", f"{what} cannot be read as numbers: {str(fault).splitlines()[0]}") from None


def float_array(what: str, values: Any) -> Array:
    """Float32 numbers; raises DiagnosticError AKC0914 for what is none."""
    try:
        return np.asarray(values, np.float32)
    except (ValueError, TypeError, RuntimeError):
        raise DiagnosticError(unfit(what, values, "give an array of numbers")) from None


def match_samples(arrays: dict[str, Array], entries: Sequence[Value], where: str) -> SampleSet:
    """Arrays sorted to the inputs, shapes and numbers checked; faults name `where` they came from."""
    from akc.sim.run import bind_inputs

    labels = arrays.get("labels")
    note = Note(message=f"the samples are those of {where}")
    inputs = {name: array for name, array in arrays.items() if name != "labels"}
    if len(inputs) == len(entries) == 1:
        inputs = {entries[0].name: next(iter(inputs.values()))}
    for value in entries:
        if value.name in inputs and inputs[value.name].shape == value.type.full_shape:
            inputs[value.name] = inputs[value.name][None]
    try:
        samples = SampleSet(bind_inputs(entries, inputs), labels)
    except DiagnosticError as fault:
        help = f"numpy.savez('samples.npz', {'=..., '.join(v.name for v in entries)}=...) names them"
        raise DiagnosticError(
            [
                evolve(d, notes=(*d.notes, note), help=d.help or (help if d.code == "AKC0702" else ()))
                for d in fault.diagnostics
            ]
        ) from None
    if labels is not None and labels.shape != (samples.count,):
        found = "x".join(map(str, labels.shape)) or "one"
        raise error(
            "AKC0703",
            f"there are {samples.count} samples and {found} labels",
            notes=(note,),
            help="labels are the class of each sample, one whole number a sample",
        )
    return samples


def _read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    with account():
        return read_arrays(read_bytes(path), "<stdin>" if str(path) == "-" else str(path))
