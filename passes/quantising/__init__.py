# SPDX-License-Identifier: Apache-2.0
"""From real numbers to whole ones."""
