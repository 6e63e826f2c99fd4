# SPDX-License-Identifier: Apache-2.0
"""The operations of the language, one file a dialect; `OPS` is the table of them all."""

from __future__ import annotations

from akc.ir.module import Op
from akc.ir.ops import akida, host, nn, nn_host, nn_norms, nn_recurrent, snn, snn_gated, snn_inclusive, snn_models

DIALECTS = {"nn": nn, "snn": snn, "akida": akida, "host": host}
FILES = (nn, nn_host, nn_norms, nn_recurrent, snn, snn_gated, snn_inclusive, snn_models, akida, host)

OPS: dict[str, type[Op]] = {
    item.mnemonic: item
    for file in FILES
    for item in vars(file).values()
    if isinstance(item, type) and issubclass(item, Op) and item.mnemonic
}
