# SPDX-License-Identifier: Apache-2.0
"""What `akc export` does."""

from __future__ import annotations

from akc.base.diagnostics import error
from akc.base.files import read_text
from akc.base.products import write_bytes
from akc.compiler.source_files import check_files
from akc.ir.parser import parse
from akc.sim.engine.model import to_onnx
from akc.sim.engine.runtime import is_installed


def export(file: str, onnx: str) -> None:
    """A text of any level as an ONNX model of standard operators."""
    check_files([file], [onnx])
    if not is_installed():
        raise error("AKC0740", "writing ONNX files needs the package onnx", help="pip install 'akc[fast]'")
    module = parse(read_text(file), file)
    write_bytes(onnx, to_onnx(module))
