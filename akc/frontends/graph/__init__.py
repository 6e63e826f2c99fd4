# SPDX-License-Identifier: Apache-2.0
"""The common form of a traced network: read into by every graph frontend, recognised, simplified, emitted."""
