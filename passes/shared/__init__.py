# SPDX-License-Identifier: Apache-2.0
"""What passes share and is no pass."""
