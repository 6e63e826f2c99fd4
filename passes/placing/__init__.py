# SPDX-License-Identifier: Apache-2.0
"""Sequences and their places on the mesh."""
