# SPDX-License-Identifier: Apache-2.0
"""The vendor's model file (.fbz): written here, read by akc.fbz.reading (docs/fbz.md)."""

from __future__ import annotations

from akc.fbz.writer import to_buffer, write

__all__ = ["to_buffer", "write"]
