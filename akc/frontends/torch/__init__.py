# SPDX-License-Identifier: Apache-2.0
"""Live PyTorch modules and the files that PyTorch writes."""
