# SPDX-License-Identifier: Apache-2.0
"""Sample files: arrays for calibration, comparison and running, from .npy, .npz and standard input."""

from __future__ import annotations

import io
import os

import numpy as np
from attrs import frozen

from akc.diagnostics import Diagnostic, DiagnosticError, error
from akc.files import read_bytes
from akc.ir.module import Array, Net


@frozen
class SampleSet:
    """inputs: arrays by input name, batch axis first; labels: int classes [batch], or None."""

    inputs: dict[str, Array]
    labels: Array | None = None

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(next(iter(self.inputs.values())))


def load_samples(path: str | os.PathLike[str], net: Net) -> SampleSet:
    """Samples for the inputs of a net.

    A .npz holds arrays named like the inputs (a lone array besides `labels` may have any name); a .npy is
    the only input. A missing batch axis is added. Raises DiagnosticError AKC0701 to AKC0703.
    """
    arrays = _read_arrays(path)
    labels = arrays.pop("labels", None)
    return SampleSet(match_inputs(arrays, net, str(path)), labels)


def match_inputs(arrays: dict[str, Array], net: Net, path: str) -> dict[str, Array]:
    """The arrays by the net's input names, shapes checked; raises DiagnosticError."""
    wanted = {value.name: value for value in net.inputs}
    if len(arrays) == len(wanted) == 1 and set(arrays) != set(wanted):
        arrays = dict(zip(wanted, arrays.values(), strict=True))
    faults = [
        Diagnostic(
            code="AKC0702",
            message=f"{path} has no array for the input %{name}",
            help=f"name an array {name}; the file holds {', '.join(arrays) or 'none'}",
        )
        for name in wanted
        if name not in arrays
    ]
    shaped: dict[str, Array] = {}
    for name, value in wanted.items():
        if name not in arrays:
            continue
        array, shape = arrays[name], value.type.full_shape
        if array.shape == shape:
            array = array[None]
        if array.shape[1:] != shape or not len(array):
            faults.append(
                Diagnostic(
                    code="AKC0703",
                    message=f"{path}: the array for %{name} has shape {list(array.shape)}",
                    help=f"a sample is {list(shape)}, the file needs [samples, {', '.join(map(str, shape))}]",
                )
            )
        elif array.dtype.kind not in "fiub":
            faults.append(
                Diagnostic(code="AKC0703", message=f"{path}: the array for %{name} holds {array.dtype}, not numbers")
            )
        elif array.dtype.kind == "f" and not np.isfinite(array).all():
            faults.append(Diagnostic(code="AKC0703", message=f"{path}: the array for %{name} holds nan or inf"))
        else:
            shaped[name] = array
    if faults:
        raise DiagnosticError(faults)
    counts = {name: len(array) for name, array in shaped.items()}
    if len(set(counts.values())) > 1:
        raise error("AKC0703", f"{path}: the inputs have different numbers of samples: {counts}")
    return shaped


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
