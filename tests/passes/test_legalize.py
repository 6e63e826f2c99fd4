# SPDX-License-Identifier: Apache-2.0
"""legalize: all faults at once, each by the name that its user knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import akc
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Value
from akc.ir.opaque import OPAQUE_KINDS, UNKNOWN, opaque_kind
from akc.ir.ops import nn
from akc.passes import PASSES
from akc.passes.fitting.legalize import LAYOUT, STRAY
from akc.passes.shared.rewriting.legal_layers import RULES
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


def test_an_unknown_framework_is_one_error() -> None:
    """However many operations it has."""
    names = ["full_like", "sj_lif", "full_like", "sj_lif", "sj_lif"]
    (found,) = _faults(_opaque(*names))
    assert found.code == "AKC0420"
    assert "5 operations" in found.message and "full_like (2 times), sj_lif (3 times)" in found.message


def test_no_advice_names_a_pass() -> None:
    """Those that would help have run; `-p` would leave all the others out."""
    advice = [rule.help for rule in (*RULES, *STRAY, LAYOUT)]
    assert not [words for words in advice if "-p " in words]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent_layers_run_on_the_host(kind: str) -> None:
    """Where that is allowed, with samples and without; the advice of the refusal names it."""
    torch.manual_seed(0)
    module = WithRecurrence(getattr(torch.nn, kind)).eval()
    x = torch.rand(40, 7, 6)
    with pytest.raises(DiagnosticError, match=r"AKC0421(.|\n)*--host=allow"):
        akc.lower(module, example=(1, 7, 6), input_range=(0.0, 1.0))
    for samples in (None, x.numpy()):
        lowered = akc.lower(module, example=(1, 7, 6), input_range=(0.0, 1.0), calibrate=samples, host="allow")
        assert f"nn.{kind.lower()}" in akc.print_module(lowered)
        got = np.asarray(akc.build(lowered, host="allow").run(x.numpy()))
        wanted = module(x).detach().numpy()
        assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.8


class WithRecurrence(torch.nn.Module):
    """A dense layer, a recurrent one, and a dense layer on its last state."""

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.first, self.middle = torch.nn.Linear(6, 8), kind(8, 10, batch_first=True)
        self.last = torch.nn.Linear(10, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.middle(torch.relu(self.first(x)))[0][:, -1])
