# SPDX-License-Identifier: Apache-2.0
"""From nodes of the common form to statements of the text, one file a family."""
