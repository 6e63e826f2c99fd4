# SPDX-License-Identifier: Apache-2.0
"""Editing a module, and what a float network looks like to the chip."""
