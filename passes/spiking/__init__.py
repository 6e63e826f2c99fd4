# SPDX-License-Identifier: Apache-2.0
"""Spiking neurons onto a chip that has none."""
