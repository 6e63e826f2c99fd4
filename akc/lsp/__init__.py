# SPDX-License-Identifier: Apache-2.0
"""The language server: `akc lsp` (docs/editors.md). It needs pygls, the extra `lsp`."""
