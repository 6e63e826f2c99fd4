# SPDX-License-Identifier: Apache-2.0
"""Ranges, moments, rounding and the numbers of one layer."""
