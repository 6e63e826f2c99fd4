# SPDX-License-Identifier: Apache-2.0
"""Whole networks in the sizes that people use: PyTorch's numbers after all rewrites, and room on the chip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import akc
from akc.compiler.pipeline import Context, run_pipeline
from akc.frontends.torch.export import read_torch
from akc.passes import LEGALISE
from akc.sim.run import run
from tests.frontends.typical import TYPICAL, network, row
from tests.frontends.ways import all_ways, same_network

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
SMALL = [name for name, (_, shape) in TYPICAL.items() if shape[-1] not in (160, 224)]


@pytest.mark.parametrize("name", SMALL)
def test_both_exporters(name: str) -> None:
    """torch.export and both ONNX exporters give the same text."""
    ways = all_ways(network(name), TYPICAL[name][1])
    same_network(ways["torch"], ways["dynamo"])
    same_network(ways["torch"], ways["older"])


@pytest.mark.parametrize("name", TYPICAL)
def test_rewritten_and_built(name: str) -> None:
    """What is mappable computes what PyTorch computes; the page says how much of the chip it takes."""
    model, shape = network(name), TYPICAL[name][1]
    x = torch.rand(2, *shape[1:])
    source = read_torch(model, x[:1])
    mappable = run_pipeline(source, LEGALISE, Context(input_range=(0.0, 1.0)))
    with torch.no_grad():
        wanted = model(x).numpy()
    (got,) = run(mappable, x.numpy()).values()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * float(np.abs(wanted).max()))
    lowered = akc.lower(mappable, input_range=(0.0, 1.0), host="allow")
    assert row(name, lowered) in PAGE.read_text().splitlines()


def test_page_has_no_other_rows() -> None:
    """Every row of the page's first table is one of these networks."""
    first, _ = PAGE.read_text().split("\n## Networks by name\n")
    rows = [line for line in first.splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows] == list(TYPICAL)
