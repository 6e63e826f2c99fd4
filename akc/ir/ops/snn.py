# SPDX-License-Identifier: Apache-2.0
"""Spiking neurons, with the parameters of their source's own equations."""

from __future__ import annotations
