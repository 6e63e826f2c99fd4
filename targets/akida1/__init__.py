# SPDX-License-Identifier: Apache-2.0
"""What every chip with Akida 1.0 inside shares."""
