# SPDX-License-Identifier: Apache-2.0
"""The AKD1500: what it takes, where layers go, and its programs. `TARGET` is what the compiler uses."""

from __future__ import annotations

from akc.targets.akd1500.chip import AKD1500
from akc.targets.akida1.target import Akida1

TARGET = Akida1(AKD1500)

__all__ = ["AKD1500", "TARGET"]
