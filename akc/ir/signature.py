# SPDX-License-Identifier: Apache-2.0
"""What an operation may ask while it works out the type of its result."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from akc.ir.types import TensorType


class TypeFault(ValueError):
    """Operands, weights or attributes do not go together; verifier turns it into a diagnostic.

    key: the field at fault ("" for the whole operation); message: one line; help: a way out.
    """

    def __init__(self, message: str, key: str = "", help: str = "", code: str = "AKC0202") -> None:
        super().__init__(message)
        self.message, self.key, self.help, self.code = message, key, help, code


@frozen
class Types:
    """The types of the values and weights that an operation names."""

    values: Mapping[str, TensorType]
    weights: Mapping[str, TensorType]

    def value(self, name: str) -> TensorType:
        """Type of a value."""
        return self.values[name]

    def weight(self, name: str) -> TensorType:
        """Type of a weight."""
        return self.weights[name]

    def check_vector(self, name: str | None, length: int, key: str) -> None:
        """A weight that must be a vector of `length` elements; None passes."""
        if name is not None and self.weights[name].shape != (length,):
            raise TypeFault(f"#{name} is {self.weights[name]}, a vector of {length} is needed", key)


def need_rank(kind: TensorType, rank: int, what: str) -> None:
    """Raise unless the type has this rank."""
    if len(kind.shape) != rank:
        raise TypeFault(f"{what} takes a value of rank {rank}, found {kind}")


def need_dtype(kind: TensorType, what: str, *dtypes: str) -> None:
    """Raise unless the type has one of these element types."""
    if kind.dtype not in dtypes:
        raise TypeFault(f"{what} takes {' or '.join(dtypes)}, found {kind}")
