# SPDX-License-Identifier: Apache-2.0
"""Sample files: arrays for calibration, comparison and running, from .npy, .npz and standard input."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from akc.diagnostics import DiagnosticError, Note, error
from akc.files import read_bytes
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


def match_samples(arrays: dict[str, Array], entries: Sequence[Value], where: str) -> SampleSet:
    """Arrays sorted to the inputs, shapes and numbers checked; faults name `where` they came from."""
    from akc.sim.run import bind_inputs

    labels = arrays.get("labels")
    inputs = {name: array for name, array in arrays.items() if name != "labels"}
    if len(inputs) == len(entries) == 1:
        inputs = {entries[0].name: next(iter(inputs.values()))}
    for value in entries:
        if value.name in inputs and inputs[value.name].shape == value.type.full_shape:
            inputs[value.name] = inputs[value.name][None]
    try:
        return SampleSet(bind_inputs(entries, inputs), labels)
    except DiagnosticError as fault:
        note = Note(message=f"the samples are those of {where}")
        raise DiagnosticError([evolve(d, notes=(*d.notes, note)) for d in fault.diagnostics]) from None


def _read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    data = read_bytes(path)
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, KeyError) as fault:
        raise error(
            "AKC0701",
            f"{path} is no .npy or .npz file: {str(fault).splitlines()[0]}",
            help="save one with numpy.save or numpy.savez; arrays of Python objects are not read",
        ) from None
