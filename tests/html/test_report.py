# SPDX-License-Identifier: Apache-2.0
"""The page of `akc report --html`, read without a browser: every section, complete in itself, true to the data."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import akc
from akc.html.report import Report
from tests.cli.processes import make_folder
from tests.cli.runner import akc as command
from tests.html.checked import Checked, checked
from tests.html.networks import SECTIONS, convolutions, dense, long_network, several_passes, two_sequences


@cache
def full() -> Report:
    lowered, source, samples = dense()
    return akc.report(akc.build(lowered), inputs=samples, against=source)


def test_a_page_has_every_section_with_a_name() -> None:
    page = checked(full().to_html())
    sections = {attributes["id"]: attributes["aria-labelledby"] for attributes in page.all("section")}
    assert tuple(sections) == SECTIONS
    assert page.all("html")[0]["lang"] == "en" and page.all("main") and page.all("nav")[0]["aria-label"]
    assert "Not measured" not in page.text and "Not compared" not in page.text


def test_what_the_page_says_is_what_the_data_say() -> None:
    report = full()
    page, facts = checked(report.to_html()), report.to_dict()
    assert f"{facts['totals']['program_bytes']:,}" in page.text
    for layer, activity in zip(facts["sequences"][0]["layers"], facts["activity"]["layers"], strict=True):
        assert f"layer-{layer['name']}" in page.ids
        assert f"{activity['levels_used']} of {activity['levels']}" in page.text or activity["levels"] is None
    for border in facts["borders"]:
        assert f"{border['bytes']:,} bytes {border['way']}" in page.text
    assert f"{100 * facts['comparison']['same_answers']:.1f} %" in page.text
    text = akc.print_module(report.program.module, elide=False)
    assert all(line in page.text for line in text.splitlines())
    for sequence in report.program.sequences:
        assert page.text.count(f"program_data of @{sequence.sequence}") == 1


def test_the_slowest_np_is_named_for_each_placement() -> None:
    report = full()
    page = checked(report.to_html())
    assert "it is the pipeline's bottleneck" in page.text
    for mode in report.target.modes:
        assert f"With --place={mode} it would be (" in page.text
    work = {one["name"]: max(one["places"]) for one in report.to_dict()["activity"]["layers"]}
    slow = report.placement.slowest
    assert slow is not None and slow.work == max(work.values()) == work[slow.layer]
    assert [a for a in page.all("g") if "slowest" in a.get("class", "")]


def test_every_np_in_use_has_words_and_the_keyboard() -> None:
    report = akc.report(akc.build(convolutions()))
    page = checked(report.to_html())
    used = [a for a in page.all("g") if a.get("class", "").startswith("np used")]
    count = sum(len(mesh.used) for one in (report.placement, *report.placements) for mesh in one.meshes)
    assert len(used) == count and all(a["tabindex"] == "0" and a["aria-label"] for a in used)
    assert any("filters" in a["aria-label"] and "bytes of 44,800" in a["aria-label"] for a in used)
    assert "Work is multiply-adds" in page.text and "Not measured" in page.text and "tiles: the map" in page.text


def test_passes_of_an_akd1500_have_a_drawing_each() -> None:
    report = akc.report(akc.build(several_passes(), target="akd1500", context=akc.Context()))
    page = checked(report.to_html())
    (sequence,) = report.facts["sequences"]
    assert sequence["passes"] == 3 and sequence["nps"] == 8
    for number in (1, 2, 3):
        assert f"sequence @s0, pass {number} of 3: " in page.text
    assert sum(len(mesh.used) for mesh in report.placement.meshes) == 20
    text = report.to_text()
    assert "Mesh in pass 3 of 3" in text and "8 of 32 NPs" in text


def test_layers_on_the_host_and_several_sequences() -> None:
    program = akc.build(two_sequences(), host="allow", context=akc.Context())
    page = checked(akc.report(program).to_html())
    assert len(program.sequences) == 2
    for sequence in program.sequences:
        assert f"sequence @{sequence.sequence} on the chip" in page.text and f"@{sequence.sequence}" in page.text
    assert "On the host, between sequences" in page.text and "bytes to the host" in page.text


def test_a_long_network_is_a_page_that_can_be_read() -> None:
    report = akc.report(akc.build(long_network(), target="akd1500", context=akc.Context()))
    html = report.to_html()
    page = checked(html)
    assert sum(name.startswith("layer-") for name in page.ids) == 100
    assert len(html) < 4 << 20


def test_the_worst_samples_have_pictures() -> None:
    page = checked(full().to_html())
    assert full().comparison is not None and full().comparison.worst
    assert len(page.all("img")) == len(full().worst)
    worst = full().comparison.worst
    assert [w.differs for w in worst] == sorted((w.differs for w in worst), reverse=True)


def test_names_of_the_user_are_no_html() -> None:
    lowered, _, _ = dense()
    text = akc.print_module(lowered)
    evil = re.sub(r'from "[^"]*"', 'from "<script>alert(1)</script>&amp;"', text)
    page = checked(akc.report(evil).to_html())
    assert "<script>alert(1)</script>&amp;" in page.text and len(page.all("script")) == 1


def test_the_same_network_gives_the_same_page() -> None:
    lowered, _, _ = dense()
    assert akc.report(lowered).to_html() == akc.report(lowered).to_html()


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("report"))


def _page(folder: Path, *words: str) -> Checked:
    outcome = command(*words, "--html", "r.html", folder=folder)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    return checked((folder / "r.html").read_text())


def test_from_the_command_line(folder: Path) -> None:
    page = _page(folder, "report", "net.akd", "-i", "x.npy", "--against", "float.akir")
    assert [a["id"] for a in page.all("section")] == list(SECTIONS)
    assert "SHA-256 of the source float.akir" in page.text


def test_as_text_and_as_json(folder: Path) -> None:
    words = ("report", "net.akd", "-i", "x.npy", "--against", "float.akir")
    text = command(*words, folder=folder).stdout
    assert "Activity on 5 samples, means for one" in text and "same answer in" in text
    facts = json.loads(command(*words, "--json", folder=folder).stdout)
    assert {"activity", "comparison", "totals"} <= set(facts) and facts["comparison"]["samples"] == 5


def test_compare_as_a_page(folder: Path) -> None:
    page = _page(folder, "compare", "net.akir", "float.akir", "-i", "labelled.npz")
    assert [a["id"] for a in page.all("section")] == ["accuracy", "provenance"]
    assert "right answers of the source" in page.text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("report net.akd --html net.akd", "AKC0916"),
        ("report net.akd -i gone.npz --html r.html", "AKC0901"),
        ("report net.akd --road . --html r.html", "AKC0935"),
        ("report net.akd --html no/folder/r.html", "AKC090"),
    ],
)
def test_refusals_leave_no_page(words: str, code: str, folder: Path) -> None:
    (folder / "r.html").unlink(missing_ok=True)
    outcome = command(*words.split(), folder=folder)
    assert outcome.code == 1 and code in outcome.stderr and not (folder / "r.html").exists()


# -- the road --------------------------------------------------------------------------------------


def test_a_road_that_was_kept(folder: Path) -> None:
    lowering = ("lower", "float.akir", "--input-range", "0,1", "--dump-dir", "road", "-o", "kept.akir")
    assert command(*lowering, folder=folder).code == 0
    assert command("build", "kept.akir", "-o", "kept.akd", folder=folder).code == 0
    page = _page(folder, "report", "kept.akd", "--road", "road")
    assert "It leads to the text of this program" in page.text and "lower-int4" in page.text
    assert page.all("ins") and page.all("del")


def test_a_road_of_another_network_is_told(folder: Path) -> None:
    lowering = ("lower", "float.akir", "--input-range", "0,9", "--dump-dir", "other", "-o", "other.akir")
    assert command(*lowering, folder=folder).code == 0
    page = _page(folder, "report", "net.akd", "--road", "other")
    assert "It does not lead to the text of this program" in page.text and "what the program has instead" in page.text


def test_a_road_that_was_just_run_and_one_that_nobody_knows(folder: Path) -> None:
    run = _page(folder, "report", "float.akir")
    assert "The passes that were run for this report." in run.text and "place" in run.text
    also = _page(folder, "report", "float.akir", "-i", "x.npy", "--against", "float.akir")
    assert "The passes that were run for this report." in also.text
    unknown = _page(folder, "report", "net.akd")
    assert "A program does not hold the texts of its passes" in unknown.text


def test_steps_of_the_road_lead_from_text_to_text() -> None:
    road = full().road
    names = [stop.name for stop in road.stops]
    assert "lower-int4" in names and "leads to the text of this program" in road.note
    assert all(stop.diff for stop in road.stops)


def test_pictures_are_what_the_samples_are() -> None:
    from akc.html.pictures import picture

    grey, colour = np.zeros((8, 9)), np.zeros((3, 8, 9))
    assert str(picture(grey)).startswith("data:image/png;base64,") and picture(colour) is not None
    nothing: list[Any] = [np.zeros(9), np.zeros((2, 8, 9)), np.zeros((8, 900)), np.full((8, 9), np.nan)]
    assert [picture(one) for one in nothing] == [None] * 4
