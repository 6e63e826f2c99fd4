# SPDX-License-Identifier: Apache-2.0
"""Where a network is cut between host and chip: the default of each kind of file, and that it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from akc import fbz
from akc.ir.printer import print_module
from tests.cli.runner import akc
from tests.targets.akida1.chips import network

SPLIT = network((8, 8, 4), "u4", ("convolution", 4, 3, "i4"), ("convolution", 4, 9, "i4"), ("dense", 3, "i4"))
VENDOR, CROSSINGS = "cut as the vendor's tools do; --cut=crossings", "cut with the fewest crossings"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.akir").write_text(print_module(SPLIT))
    (tmp_path / "net.fbz").write_bytes(fbz.write(SPLIT))
    return tmp_path


@pytest.mark.parametrize(("file", "words"), [("net.fbz", VENDOR), ("net.akir", CROSSINGS)])
@pytest.mark.parametrize("verb", ["build", "report"])
def test_the_default_is_said(folder: Path, file: str, words: str, verb: str) -> None:
    told = akc(verb, file, "--host=allow", folder=folder)
    assert told.code == 0 and words in told.stderr
    assert "2 sequence(s) on the chip, 1 on the host" in told.stderr


def test_text_lowered_from_the_vendors_file_is_cut_as_any_text_and_says_so(folder: Path) -> None:
    assert akc("lower", "net.fbz", "--host=allow", "-o", "lowered.akir", folder=folder).code == 0
    told = akc("build", "lowered.akir", "--host=allow", folder=folder)
    assert "--cut=vendor cuts as the vendor's tools do" in told.stderr


def test_nothing_is_said_where_the_user_or_the_text_says(folder: Path) -> None:
    placed = akc("opt", "net.akir", "-p", "place{cut=vendor}", "--host=allow", "-o", "placed.akir", folder=folder)
    assert placed.code == 0
    for arguments in (("net.akir", "--cut=vendor"), ("placed.akir",)):
        told = akc("build", *arguments, "--host=allow", folder=folder)
        assert told.code == 0 and "cut" not in told.stderr.replace("AKC0205", "")
