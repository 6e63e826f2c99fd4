# SPDX-License-Identifier: Apache-2.0
"""The AKD1000: what it takes, where layers go, and its programs. `TARGET` is what the compiler uses."""

from __future__ import annotations

from akc.targets.akd1000.chip import AKD1000
from akc.targets.akida1.target import Akida1

TARGET = Akida1(AKD1000)

__all__ = ["AKD1000", "TARGET"]
