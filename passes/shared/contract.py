# SPDX-License-Identifier: Apache-2.0
"""What a pass is: its class attributes, and what it is given besides the module.

The text is the whole state: a pass depends on the module, on its own options, and on what it lists in `reads`.
What one pass has to tell another stands in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, get_args

import numpy as np
from attrs import field, frozen, has

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module
from akc.targets import Target

Samples = Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what)."""

Preserves = Literal["values", "levels", "approximation"]

PRESERVES: dict[Preserves, str] = {
    "values": "the results are equal in real numbers; floats differ by their rounding",
    "levels": "all integers are equal",
    "approximation": "the results are near; `measure` says how near, and what finds it out",
}
"""What a pass may promise about the network before and after it."""

Reads = Literal["samples", "labels", "input_range", "host"]


@frozen(kw_only=True)
class PassContext:
    """What a pass is given besides the module; what it does not list in `reads` it does not get.

    target: the chip; samples: calibration inputs by name, batch axis first, or None; labels: their classes, or
    None; input_range: smallest and largest input that the user promises; host: whether layers that the chip does
    not take may run on the host ("refuse" or "allow"); progress: called with (done, total, what); warn: keeps a
    warning for the user; report: keeps what a pass found out, by the pass's name, for the user and for nobody else.
    """

    target: Target
    samples: Samples | None = None
    labels: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None = None
    input_range: tuple[float, float] | None = None
    host: str = "refuse"
    progress: Progress = field(default=lambda done, total, what: None)
    warn: Callable[[Diagnostic], None] = field(default=lambda diagnostic: None)
    report: Callable[[str, Any], None] = field(default=lambda name, found: None)


class Pass(Protocol):
    """A rewrite. Options are the fields of its frozen attrs class; `docs` are their docstrings.

    requires, ensures: the level a module must have before, and has after (None: any, unchanged); preserves: a key
    of PRESERVES, with a `measure` in words for an approximation; reads: the fields of PassContext that decide what it
    makes, the target aside.
    """

    name: ClassVar[str]
    requires: ClassVar[str | None]
    ensures: ClassVar[str | None]
    preserves: ClassVar[Preserves]
    reads: ClassVar[tuple[Reads, ...]]

    def run(self, module: Module, context: PassContext) -> Module:
        """The rewritten module; the very same object if there was nothing to do."""


def lacks(one: Any) -> str:
    """What keeps a class, or an object, from being a pass; "" for a pass."""
    missing = [name for name in ("name", "requires", "ensures", "preserves", "reads", "run") if not hasattr(one, name)]
    if missing:
        return f"it has no {', '.join(missing)}"
    if one.preserves not in PRESERVES:
        return f"it preserves {one.preserves!r}; {' or '.join(PRESERVES)} is needed"
    if one.preserves == "approximation" and not getattr(one, "measure", ""):
        return "it is an approximation and has no measure"
    known = get_args(Reads)
    other = [name for name in one.reads if name not in known]
    if other:
        return f"it reads {', '.join(other)}; there are {', '.join(known)}"
    return "" if has(one if isinstance(one, type) else type(one)) else "it is no attrs class"
