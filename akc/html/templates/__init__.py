# SPDX-License-Identifier: Apache-2.0
"""Templates, style sheet and script of the pages."""
