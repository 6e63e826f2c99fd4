# SPDX-License-Identifier: Apache-2.0
"""The operations of the language, one file a dialect; `OPS` is the table of them all."""

from __future__ import annotations

from akc.ir.module import Op
from akc.ir.ops import akida, host, nn, snn

DIALECTS = {"nn": nn, "snn": snn, "akida": akida, "host": host}

OPS: dict[str, type[Op]] = {
    item.mnemonic: item
    for dialect in DIALECTS.values()
    for item in vars(dialect).values()
    if isinstance(item, type) and issubclass(item, Op) and item.mnemonic
}
