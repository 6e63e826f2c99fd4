# SPDX-License-Identifier: Apache-2.0
"""Which NP computes which share of which layer."""
