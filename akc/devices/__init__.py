# SPDX-License-Identifier: Apache-2.0
"""Devices: opening, running, verifying, and what they have learned."""
