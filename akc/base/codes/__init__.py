# SPDX-License-Identifier: Apache-2.0
"""The table of diagnostic codes: what `akc explain CODE` prints. One file a hundred.

Numbers by area: 00 syntax, 01 names and structure, 02 types and levels, 03 frontends, 04 passes and
pipelines, 05 limits of the chip, 06 building and containers, 07 running and data, 08 devices,
09 files and options.
"""

from __future__ import annotations

from akc.base.codes import building, devices, files, frontends, limits, names, passes, running, syntax, types
from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    **syntax.CODES,
    **names.CODES,
    **types.CODES,
    **frontends.CODES,
    **passes.CODES,
    **limits.CODES,
    **building.CODES,
    **running.CODES,
    **devices.CODES,
    **files.CODES,
}
"""Every code and what it means."""

__all__ = ["CODES", "Code"]
