# SPDX-License-Identifier: Apache-2.0
"""What the tests of the examples ask of an accuracy table.

The bounds leave room for small parts of the test sets; whole ones are run by examples/<name>/run.py.
"""

from __future__ import annotations

from examples import roads
from examples.accuracy import Row, table


def by_name(rows: list[Row]) -> dict[str, Row]:
    """The rows of a table by what they are."""
    return {one.what: one for one in rows}


def check(rows: list[Row], loss: float, same: float) -> None:
    """The calibrated row loses at most `loss` points and gives the same answer in at least `same` percent."""
    found = by_name(rows)
    source, calibrated = found["source network (float)"], found[roads.CALIBRATED.what]
    assert calibrated.accuracy >= source.accuracy - loss, table(rows, 0)
    assert calibrated.same >= same, table(rows, 0)
