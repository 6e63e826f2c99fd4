# SPDX-License-Identifier: Apache-2.0
"""Every limit of a layer, as rows."""
