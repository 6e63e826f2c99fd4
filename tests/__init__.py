# SPDX-License-Identifier: Apache-2.0
"""Tests of akc; the folders mirror the tree."""
