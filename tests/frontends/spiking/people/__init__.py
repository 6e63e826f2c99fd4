# SPDX-License-Identifier: Apache-2.0
"""Whole networks, as people write them in tutorials and repositories."""
