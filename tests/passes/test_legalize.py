# SPDX-License-Identifier: Apache-2.0
"""legalize: all faults at once, each by the name that its user knows."""

from __future__ import annotations

import pytest

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Value
from akc.ir.opaque import OPAQUE_KINDS, UNKNOWN, opaque_kind
from akc.ir.ops import nn
from akc.passes import PASSES
from tests.passes.building import Building, context


def _opaque(*names: str) -> Module:
    """Dense layers with operations between them that akc has only the names of."""
    net = Building(9).dense(9)
    for number, name in enumerate(names):
        result = Value(f"other{number}", net.last.type)
        net.ops.append(nn.Opaque(result=result, inputs=(net.last.name,), op=name, origin=(f"/net/{name}",)))
        net.relu().dense(9)
    return net.module()


def _faults(module: Module, **fields: str) -> list[Diagnostic]:
    with pytest.raises(DiagnosticError) as fault:
        PASSES["legalize"]().run(module, context(**fields))
    return list(fault.value.diagnostics)


@pytest.mark.parametrize("host", ["refuse", "allow"])
@pytest.mark.parametrize("name", [*OPAQUE_KINDS, "an operator of tomorrow"])
def test_opaque_names(name: str, host: str) -> None:
    """Each name is refused by itself, with its reason, its way out and the source's node, also with --host=allow."""
    (found,) = (d for d in _faults(_opaque(name), host=host) if d.code == "AKC0420")
    kind = opaque_kind(name)
    assert name in found.message and kind.why in found.message and "%other0" in found.message
    assert found.origin == (f"/net/{name}",)
    assert kind.way_out in found.help


def test_names_without_a_row_get_one() -> None:
    """An operator that nobody foresaw."""
    assert opaque_kind("an operator of tomorrow") is UNKNOWN


def test_all_opaque_operations_at_once() -> None:
    """One diagnostic each, in the order of the text."""
    names = list(OPAQUE_KINDS)[:12]
    found = [d.origin[0] for d in _faults(_opaque(*names), host="allow") if d.code == "AKC0420"]
    assert found == [f"/net/{name}" for name in names]


def test_other_faults_are_told_beside_them() -> None:
    """A convolution that the chip has not, and an opaque operation: both."""
    net = Building(20, 20, 4).conv(4, 9, pad=(4, 4, 4, 4)).relu()
    net.ops.append(nn.Opaque(result=Value("mish", net.last.type), inputs=(net.last.name,), op="Mish", origin=("/m",)))
    assert {d.code for d in _faults(net.module())} == {"AKC0420", "AKC0422"}
