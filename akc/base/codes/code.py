# SPDX-License-Identifier: Apache-2.0
"""What a diagnostic code says at length."""

from __future__ import annotations

from attrs import frozen


@frozen
class Code:
    """A kind of fault: a short title and a paragraph on what it means and what to do."""

    title: str
    explanation: str
