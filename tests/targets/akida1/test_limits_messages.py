# SPDX-License-Identifier: Apache-2.0
"""What a user reads: each code of limits and placement, rendered against a text, as golden files."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion

from akc.base.codes import CODES
from akc.base.diagnostics import Diagnostic, DiagnosticError, render_all
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module
from akc.targets.akd1000 import TARGET
from tests.targets.akida1.chips import at, from_text, network, pinned
from tests.targets.akida1.test_limits import BROKEN
from tests.targets.akida1.test_placement import BAD_PINS, TWO, UNFIT_PINS

DENSE = ("dense", 4, "i4")
PLACING: dict[str, Module] = {
    "AKC0515": network((8, 8, 1), "u4", ("convolution", 24, 3, "i4")),
    "AKC0520": network((4, 4, 100), "u4", ("convolution", 2000, 7, "i4")),
    "AKC0521": network((1, 1, 4), "u4", *[DENSE] * 23),
    "AKC0526": pinned(network(*UNFIT_PINS[0][1]), n1=[at(UNFIT_PINS[0][2])]),
    "AKC0529": pinned(network((1, 1, 4), "u4", DENSE), n1=[at("host()")]),
} | {code: pinned(TWO, **pins) for code, _, pins in reversed(BAD_PINS)}
LIMITS = {code: module for code, _, module in reversed(BROKEN) if code not in ("AKC0511",)}
OWN = sorted(code for code in CODES if code.startswith("AKC05") and code not in ("AKC0511", "AKC0530"))


def faults_of(code: str) -> list[Diagnostic]:
    """Faults and warnings of this code, with places in the text that a user would have written."""
    context = Context()
    if code == "AKC0528":
        context.host = "allow"
        run_pipeline(from_text(LIMITS["AKC0501"]), "place", context)
        return context.warnings
    if code == "AKC0519":
        with pytest.raises(DiagnosticError) as fault:
            run_pipeline(from_text(LIMITS["AKC0501"]), "learn", context)
        return list(fault.value.diagnostics)
    if code in LIMITS:
        return TARGET.check(from_text(LIMITS[code]))
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(from_text(PLACING[code]), "place{mode=vendor-minimal}", context)
    return list(fault.value.diagnostics)


@pytest.mark.parametrize("code", OWN)
def test_message(code: str, text_snapshot: SnapshotAssertion) -> None:
    found = [d for d in faults_of(code) if d.code == code]
    assert found and all(d.origin and d.help for d in found)
    assert render_all(found[:1]) == text_snapshot(name=code)
