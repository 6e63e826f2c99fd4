# SPDX-License-Identifier: Apache-2.0
"""Rows of the table of networks by name, as far as they are quick and need no package of networks."""

from __future__ import annotations

import pytest

from benchmarks.named_networks import CLOSE, HEAD, PAGE, measured, write
from examples.named_networks import NETWORKS, PAPERS, network

SMALL = ["MLPerf Tiny: DS-CNN", "MLPerf Tiny: autoencoder", "ECG, pools of 2"]


def rows() -> dict[str, list[str]]:
    """Cells of each row of the page, by name."""
    lines = PAGE.read_text(encoding="utf-8").split(HEAD, 1)[1].strip().split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row for row in cells}


def test_every_row_is_of_a_network() -> None:
    assert rows().keys() <= NETWORKS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_row_is_what_is_measured(name: str) -> None:
    """All but the seconds."""
    row = measured(name, network(name), PAPERS[name][1])
    assert row.float <= CLOSE
    cells = [cell.strip() for cell in str(row).strip("|").split("|")]
    assert cells[:-1] == rows()[name][:-1]


def test_writing_replaces_the_table_only(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    written: list[str] = []
    monkeypatch.setattr(type(PAGE), "write_text", lambda path, given, **options: written.append(given))
    write([HEAD, "| one row |"])
    before, after = text.split(HEAD, 1)
    assert written == [f"{before}{HEAD}\n| one row |\n\n{after.split(chr(10) * 2, 1)[1]}"]
