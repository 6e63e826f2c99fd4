# SPDX-License-Identifier: Apache-2.0
"""akc: the open compiler for Akida."""
