# SPDX-License-Identifier: Apache-2.0
"""What people look at: reports, comparisons and what notebooks show, as HTML that needs nothing from outside."""
