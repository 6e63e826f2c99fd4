# SPDX-License-Identifier: Apache-2.0
"""Spiking networks: what all frameworks share, and one file a framework."""
