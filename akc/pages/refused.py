# SPDX-License-Identifier: Apache-2.0
"""docs/frontends/refused.md: what networks hold that the chip cannot do."""

from __future__ import annotations

from akc.ir.functions import FUNCTIONS, REDUCTIONS
from akc.ir.opaque import OPAQUE_KINDS, OpaqueKind
from akc.ir.ops import OPS
from akc.ir.ops.nn_host import BORDERS, HostLayer
from akc.pages.markdown import table

NAMES = frozenset(
    {
        "PReLU",
        "LeakyReLU",
        "attention",
        "squeeze-excite",
        "GLU",
        "split",
        "gather",
        "concat",
        "repetition",
        *BORDERS.values(),
    }
    | {row.users for table in (FUNCTIONS, REDUCTIONS) for row in table.values()}
    | {kind.layer_name for kind in OPS.values() if issubclass(kind, HostLayer) and isinstance(kind.layer_name, str)}
) - {""}
"""What users call the layers that the host computes, and groups of them."""


def refused_page() -> str:
    """docs/frontends/refused.md: what networks hold that the chip cannot do, with the ways out."""
    parts = [
        "# What the AKD1000 cannot do",
        "Made from the table of refusals by `python -m akc.pages`. Frontends recognise these, alone or as groups of"
        " operators; `legalize` refuses them under this name, with this advice. Where the last column says yes, akc has"
        " operations for them, which the host runs with `--host=allow`; the others are imported as `nn.opaque` and are"
        " refused in any case.",
    ]
    names: dict[tuple[OpaqueKind, str], list[str]] = {}
    for name, kind in OPAQUE_KINDS.items():
        names.setdefault((kind, "yes" if name in NAMES else "no"), []).append(name)
    rows: list[tuple[object, ...]] = [
        (", ".join(group), kind.why, kind.way_out, host) for (kind, host), group in names.items()
    ]
    return "\n\n".join([*parts, table(("name", "why not", "what instead", "host"), rows)]) + "\n"
