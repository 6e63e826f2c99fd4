# SPDX-License-Identifier: Apache-2.0
"""The program: container, records, registers, memories, and the assembler."""
