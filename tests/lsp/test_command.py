# SPDX-License-Identifier: Apache-2.0
"""`akc lsp` where it cannot serve."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.cli.runner import akc


def test_without_pygls_the_way_out_is_said() -> None:
    code = "import sys; sys.modules['pygls'] = None; sys.argv = ['akc', 'lsp']; from akc.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert "error[AKC0945]" in done.stderr and "pip install 'akc[lsp]'" in done.stderr


def test_an_unknown_target_of_the_command() -> None:
    assert akc("lsp", "--target", "akd100").code != 0
