# SPDX-License-Identifier: Apache-2.0
"""`akc lsp`."""

from __future__ import annotations

from akc.base.diagnostics import error
from akc.targets import load_target


def lsp(target: str) -> None:
    """Serve an editor on stdin and stdout."""
    load_target(target)
    try:
        import pygls  # noqa: F401
    except ImportError:
        raise error("AKC0945", "the language server needs the package pygls", help="pip install 'akc[lsp]'") from None
    from akc.lsp.server import serve

    serve(target)
