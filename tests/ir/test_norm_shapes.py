# SPDX-License-Identifier: Apache-2.0
"""Scale and shift of a normalisation have the shape of what they stand for; others are refused at their place."""

from __future__ import annotations

import pytest

from akc.base.diagnostics import DiagnosticError
from akc.ir.parser import parse
from akc.ir.verifier import verify

TEXT = """akir 1.0

net @n(%x: f32[4, 4, 6]) -> f32[4, 4, 6] {{
  %y = nn.{op}(%x{fields}, {key}=#w) : f32[4, 4, 6]
  return %y
}}

weights {{
  #w : f32[{count}] = splat "1"
}}
"""
NORMS = {"group_norm": ", groups=2", "instance_norm": "", "layer_norm": "", "rms_norm": ""}


@pytest.mark.parametrize("key", ["scale", "shift"])
@pytest.mark.parametrize("op", NORMS)
def test_one_number_for_each_channel(op: str, key: str) -> None:
    assert not verify(parse(TEXT.format(op=op, fields=NORMS[op], key=key, count=6)))
    with pytest.raises(DiagnosticError, match=r"#w is f32\[5\], \[6\] is needed"):
        verify(parse(TEXT.format(op=op, fields=NORMS[op], key=key, count=5)))
