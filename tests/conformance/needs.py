# SPDX-License-Identifier: Apache-2.0
"""What only the comparison with the vendor needs beside pip, named when it is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HOW = "the conformance tests need a C++ compiler and the FlatBuffers headers: apt-get install g++ libflatbuffers-dev"


def need_compiler(*headers: str) -> str:
    """The compiler; raises RuntimeError that says what to install where it, or a header, is missing."""
    compiler = shutil.which("g++")
    if compiler is None:
        raise RuntimeError(HOW)
    for header in headers:
        command = [compiler, "-x", "c++", "-E", "-include", header, "-o", "/dev/null", "-"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode:
            raise RuntimeError(f"{header} is missing; {HOW}")
    return str(Path(compiler))
