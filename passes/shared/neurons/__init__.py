# SPDX-License-Identifier: Apache-2.0
"""How often a neuron fires, and when."""
