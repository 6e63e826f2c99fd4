# SPDX-License-Identifier: Apache-2.0
"""What the arrays of a weights file may be, by the last parts of their names (snnTorch 1.0.0, torch.nn)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from akc.base.checked import Array, Faults, Numbers, Real, Rule, Unfit, Whole, taken

NUMBER = Numbers()
POSITIVE = Numbers(above=True, low=0)
ENDLESS = Numbers(infinite=True)
VECTOR = Numbers(axes=(1,))
MATRIX = Numbers(axes=(2,))
LAYER = Numbers(axes=(1, 2, 3, 4, 5), dtype=None)

ARRAYS: dict[str, Rule] = {
    "weight": LAYER,
    "bias": VECTOR,
    "linear.weight": MATRIX,
    "linear.bias": VECTOR,
    "beta": NUMBER,
    "alpha": NUMBER,
    "threshold": ENDLESS,
    "graded_spikes_factor": NUMBER,
    "reset_mechanism_val": Whole(0, 2),
    "R": POSITIVE,
    "C": POSITIVE,
    "time_step": POSITIVE,
    "tau": POSITIVE,
    "V": NUMBER,
    "recurrent.V": NUMBER,
    "recurrent.weight": Numbers(axes=(2, 4)),
    "recurrent.bias": VECTOR,
    "conv.weight": Numbers(axes=(4,)),
    "conv.bias": VECTOR,
    **dict.fromkeys(("lstm_cell.weight_ih", "lstm_cell.weight_hh", "rnn.weight_ih_l0", "rnn.weight_hh_l0"), MATRIX),
    **dict.fromkeys(("lstm_cell.bias_ih", "lstm_cell.bias_hh", "rnn.bias_ih_l0", "rnn.bias_hh_l0"), VECTOR),
}
"""Rules of arrays that are read."""

LONGEST_NAME = 1000

TENSORS = {
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without numbers (device meta)",
}
"""What torch calls the makers of tensors that are not read."""


def plain_arrays(found: Mapping[Any, Any], faults: Faults) -> dict[str, Array]:
    """The arrays by name; values that are no tensors are left out, tensors of unreadable kinds are faults."""
    arrays: dict[str, Array] = {}
    for key, value in found.items():
        kind = getattr(value, "kind", "")
        if isinstance(kind, str) and kind.startswith("_rebuild"):
            faults.add(str(key), TENSORS.get(kind, f"a tensor of {kind.removeprefix('_rebuild_')}"), _PLAIN)
        if not isinstance(value, np.ndarray):
            continue
        if not isinstance(key, str) or len(key) > LONGEST_NAME or "\0" in key:
            faults.add(repr(key)[:60], "the name of an array", "a text without NUL")
        elif value.dtype.kind not in "biuf":
            faults.add(key, f"an array of {value.dtype}", _PLAIN)
        else:
            arrays[key] = value
    return arrays


_PLAIN = "dense tensors of real numbers"


def check_group(name: str, group: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The arrays of a module, those that are read by their rules."""
    return {
        key: taken(ARRAYS[key], value, f"{name}.{key}" if name else key, faults) if key in ARRAYS else value
        for key, value in group.items()
    }


# -- what a topology says ----------------------------------------------------------------------------


class OneOrMore:
    """One number, or one for each neuron."""

    def __init__(self, rule: Real) -> None:
        self.rule = rule

    def read(self, value: Any) -> Any:
        """A float, or a vector."""
        if not isinstance(value, list):
            return self.rule.read(value)
        if not value or len(value) > 1 << 20:
            raise Unfit
        return np.array([self.rule.read(item) for item in value], np.float32)

    def __str__(self) -> str:
        return f"{self.rule}, or a list of them"
