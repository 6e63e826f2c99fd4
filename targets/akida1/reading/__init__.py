# SPDX-License-Identifier: Apache-2.0
"""Programs read back: disassembly, recovery, differences, reports."""
