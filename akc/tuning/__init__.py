# SPDX-License-Identifier: Apache-2.0
"""Training in the integers of the chip."""
