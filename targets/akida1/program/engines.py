# SPDX-License-Identifier: Apache-2.0
"""Which versions of the vendor's engine have a layout of programs that akc knows.

An engine compares the version in a program with its own and refuses every other one, so a program must be
written for the engine that an owner has. A version stands here where programs of its SDK were compared with
akc's byte for byte; all others are refused (docs/akd1000/program.md).
"""

from __future__ import annotations

from akc.base.diagnostics import error

ENGINE_VERSION = "2.19.3"
"""The version that programs name unless told otherwise."""

PROVED = ("2.18.2", "2.19.1", "2.19.2", "2.19.3")
"""Versions that write the layout of 2.19.3; their programs differ in the version string alone."""


def check_engine(version: str, what: str = "programs for it would not be its own") -> None:
    """Raise AKC0605 for a version whose layout is not proved."""
    if version not in PROVED:
        raise error(
            "AKC0605",
            f"the layout of programs for engine {version} is not known: {what}",
            help=f"take one of {', '.join(PROVED)}, whose programs were compared byte for byte",
        )
