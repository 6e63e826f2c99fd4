# SPDX-License-Identifier: Apache-2.0
"""An AKD1000 without silicon, at the level of registers and memories (docs/akd1000/runtime.md)."""
