# SPDX-License-Identifier: Apache-2.0
"""Branches become one row of layers."""
