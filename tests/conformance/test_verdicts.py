# SPDX-License-Identifier: Apache-2.0
"""Cuts between host and chip, layer by layer: those of the SDK's hw_only=False, and our own with fewest crossings.

tests/conformance/test_bytes.py compares the programs too; here the places and the kinds of cut are counted.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import akida  # noqa: F401  (the comparison is void without it)
import pytest

import akc
from akc.targets.akd1000 import TARGET
from tests.conformance import vendor, ways
from tests.conformance.test_placement import COUNT, SEED, places, seeds
from tests.targets.akida1.chips import in_sequence

pytestmark = pytest.mark.conformance

KINDS = ["spoiled_shape", "spoiled", "one_conv", "one_channel", "large", "picture", "near_capacity", "mixed", "crowded"]


@pytest.mark.parametrize("way", ["vendor", "vendor-minimal"])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_and_places_equal_the_sdk(kind: str, way: str) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds(kind):
        module = ways.draw(kind, seed)
        try:
            theirs, model, more = ways.vendor_cut_or_more(module, way == "vendor-minimal")
        except ways.NotMade:
            seen["refused at creation"] += 1
            continue
        ours = TARGET.partition(in_sequence(module), way)
        assert ways.our_cut(ours) == theirs, f"{kind} network {seed}"
        expected = places(vendor.placed_like(module, model))
        chip = {name for on_chip, names in theirs if on_chip for name in names}
        found = {name: at for name, at in places(ours).items() if name in chip}
        assert found == {name: expected[name] for name in chip}, f"{kind} {seed}"
        seen["fails in the SDK" if more else f"{len(vendor.programs(model))} programs"] += 1
    print(f"{kind}, {way}: {dict(seen)}")
    assert sum(seen.values()) - seen["refused at creation"] > len(seeds(kind)) // 2


@pytest.mark.parametrize("kind", ["spoiled_shape", "large", "near_capacity"])
def test_fewest_crossings_is_no_worse_and_every_piece_is_the_sdks(kind: str) -> None:
    found = [ways.fewest_crossings(ways.draw(kind, seed), seed) for seed in range(SEED, SEED + COUNT // 3)
             if not (kind == "spoiled_shape" and _not_made(kind, seed))]  # fmt: skip
    assert all(outcome.ours == outcome.theirs for outcome in found)
    assert sum(len(outcome.ours) for outcome in found) > COUNT // 6


def _not_made(kind: str, seed: int) -> bool:
    try:
        ways.made(ways.draw(kind, seed))
    except ways.NotMade:
        return True
    return False


def test_numbers_on_which_the_sdk_fails_send_their_layer_to_the_host() -> None:
    """A threshold of more than 20 bits ends the SDK's `map` even with hw_only=False; akc runs the rest on the chip."""
    seen = Counter(ways.cut_by("vendor")(ways.draw("spoiled", seed), seed).more for seed in (2, 7, 16, 19))
    assert seen[True] == 4


@pytest.mark.parametrize("kind", ["spoiled_shape", "crowded", "picture", "learning", "near_capacity"])
def test_a_file_that_the_sdk_saved_gives_its_programs(kind: str, tmp_path: Path) -> None:
    """From the vendor's .fbz to the bytes of every sequence, as `akc build net.fbz --host=allow` goes."""
    proved = 0
    for seed in range(SEED, SEED + (3 if kind == "crowded" else 12)):
        try:
            model = ways.made(ways.draw(kind, seed))
            vendor.map_on_akd1000(model, hw_only=False)
        except (ways.NotMade, RuntimeError):
            continue
        model.save(str(tmp_path / "net.fbz"))
        try:
            module = akc.lower(str(tmp_path / "net.fbz"), host="allow")
        except akc.DiagnosticError as fault:
            assert {d.code for d in fault.diagnostics} == {"AKC0345"}, "an input of more than 4 bits"
            continue
        built = akc.build(module, host="allow", cut="vendor")
        assert [(s.info, s.data) for s in built.sequences] == vendor.programs(model), f"{kind} {seed}"
        proved += 1
    assert proved >= 2
