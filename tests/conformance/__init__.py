# SPDX-License-Identifier: Apache-2.0
"""Comparisons with the vendor's SDK 2.19.3; docs/conformance.md says how to run more of them."""
