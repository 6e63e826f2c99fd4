# SPDX-License-Identifier: Apache-2.0
"""A compile proves itself (docs/checks.md).

imports: the source against what was read from it; rewrites: each pass against the text before it; programs: the
program's bytes against the text.
"""
