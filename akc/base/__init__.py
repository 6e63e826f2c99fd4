# SPDX-License-Identifier: Apache-2.0
"""Diagnostics, their codes, files and FlatBuffers: what every room stands on."""
