# SPDX-License-Identifier: Apache-2.0
"""What is raised where akc disproves itself: a bug of akc, with a text that shows it."""

from __future__ import annotations


class Disproved(Exception):
    """A pass or the assembler broke its promise. `reproducer` is a text whose first line repeats it."""

    def __init__(self, message: str, reproducer: str) -> None:
        self.reproducer = reproducer
        super().__init__(message)
