# SPDX-License-Identifier: Apache-2.0
"""The driver of the AKD1000, in pure Python: `Device` over a bus (docs/akd1000/runtime.md)."""
