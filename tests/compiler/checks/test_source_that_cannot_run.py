# SPDX-License-Identifier: Apache-2.0
"""A source that is read but cannot be run on probes is an error of its own, with a way out that works."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError


class OnPaper(nn.Module):
    """Can be traced, and raises when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.compiler.is_exporting():
            raise ValueError("not outside of a trace")
        return self.layer(x)


def test_it_is_said_and_the_way_out_arrives() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0721(.|\n)*not outside of a trace"):
        akc.lower(OnPaper().eval(), example=(1, 4), input_range=(0.0, 1.0))
    module = akc.lower(OnPaper().eval(), example=(1, 4), input_range=(0.0, 1.0), check="off")
    assert module.net.sequences
