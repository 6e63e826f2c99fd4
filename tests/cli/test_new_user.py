# SPDX-License-Identifier: Apache-2.0
"""What a new user might try first, and what akc answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from akc.targets import ByteRange
from tests.cli import models
from tests.cli.runner import Outcome, akc


def refused(outcome: Outcome, *words: str) -> None:
    """Exit code 1, nothing on stdout, no traceback, and these words."""
    assert outcome.code == 1, outcome.stderr
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    for word in words:
        assert word in outcome.stderr, f"{word!r} is not in\n{outcome.stderr}"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A lowered network in a folder of its own."""
    models.dense(tmp_path / "m.onnx")
    assert akc("lower", "m.onnx", "-o", "net.akir", folder=tmp_path).code == 0
    return tmp_path / "net.akir"


def test_missing_file(tmp_path: Path) -> None:
    refused(akc("lower", "gone.onnx", folder=tmp_path), "gone.onnx", "no such file")


def test_truncated_onnx(tmp_path: Path) -> None:
    data = models.dense(tmp_path / "m.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[: len(data) // 2])
    refused(akc("lower", "cut.onnx", folder=tmp_path), "cut.onnx")


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"x")
    refused(akc("lower", "m.h5", folder=tmp_path), "AKC0904", ".onnx")


def test_lstm(tmp_path: Path) -> None:
    models.lstm(tmp_path / "m.onnx")
    refused(akc("lower", "m.onnx", folder=tmp_path), "LSTM", "lstm1", "drop-lstm")


def test_transformer(tmp_path: Path) -> None:
    models.attention(tmp_path / "m.onnx")
    outcome = akc("lower", "m.onnx", folder=tmp_path)
    refused(outcome, "attention", "LayerNorm", "GELU", "/attn/")
    assert "no operation Erf" not in outcome.stderr


def test_kernel_of_thirteen(tmp_path: Path) -> None:
    models.conv(tmp_path / "m.onnx", 13)
    refused(akc("lower", "m.onnx", folder=tmp_path), "13x13", "conv1", "7")


def test_a_first_kernel_of_nine_is_handed_over_as_channels(tmp_path: Path) -> None:
    models.conv(tmp_path / "m.onnx", 9)
    assert akc("lower", "m.onnx", folder=tmp_path).code == 0


def test_seventy_thousand_inputs(tmp_path: Path) -> None:
    models.dense(tmp_path / "m.onnx", inputs=70_000, hidden=2)
    refused(akc("lower", "m.onnx", folder=tmp_path), "70,000", "57,334", "fc1")


def test_dynamic_axis(tmp_path: Path) -> None:
    nodes = [models.helper.make_node("Relu", ["image"], ["logits"], "relu1")]
    models.save(tmp_path / "m.onnx", nodes, [1, "width"], [1, "width"], {})
    refused(akc("lower", "m.onnx", folder=tmp_path), "width", "image")


def test_dynamic_batch_is_fine(tmp_path: Path) -> None:
    models.dense(tmp_path / "m.onnx", batch="batch")
    assert akc("lower", "m.onnx", folder=tmp_path).code == 0


def test_typo_in_a_pipeline(net: Path) -> None:
    refused(akc("opt", net.name, "-p", "merge-skipdna", folder=net.parent), "did you mean merge-skipdma?", "^")


def test_elided_weights_are_refused_by_name(net: Path) -> None:
    assert akc("lower", "m.onnx", "--weights", "elide", "-o", "elided.akir", folder=net.parent).code == 0
    refused(akc("build", "elided.akir", folder=net.parent), "AKC0204", "#fc1.weights", "--weights=elide")
    assert not (net.parent / "elided.akd").exists()


def test_usage_errors_exit_2(tmp_path: Path) -> None:
    assert akc("build", folder=tmp_path).code == 2
    assert akc("lower", "m.onnx", "--input-range", "1,0", folder=tmp_path).code == 2
    assert akc("lower", "m.onnx", "-t", "akd9000", folder=tmp_path).code == 2
    assert akc("opt", "net.akir", folder=tmp_path).code == 2


def test_without_samples_the_text_is_on_stdout_and_the_assumption_on_stderr(tmp_path: Path) -> None:
    models.dense(tmp_path / "m.onnx")
    outcome = akc("lower", "m.onnx", folder=tmp_path)
    assert outcome.code == 0
    assert outcome.stdout.startswith("akir 1.0\n")
    assert "warning" in outcome.stderr and "--calibrate" in outcome.stderr


def test_pipes(net: Path) -> None:
    text = net.read_text()
    assert akc("fmt", "-", stdin=text).stdout == text
    built = akc("build", "-", stdin=text)
    assert built.code == 0 and built.stdout_bytes[:2] == b"PK"
    assert akc("opt", "-", "-p", "place", stdin=text).stdout.count("at=[") == 2


def test_output_that_cannot_be_written_leaves_nothing(net: Path) -> None:
    refused(akc("build", net.name, "-o", "no/such/folder/net.akd", folder=net.parent), "AKC0903")


def test_one_threshold_by_hand_is_one_word_of_the_program(net: Path) -> None:
    text = net.read_text()
    assert akc("build", net.name, "--program", "a.bin", "--map", "map.json", folder=net.parent).code == 0
    head, tail = text.split('#fc1.threshold : i32[8] = dec "', 1)
    first, rest = tail.split(" ", 1)
    net.write_text(f'{head}#fc1.threshold : i32[8] = dec "{int(first) + 1} {rest}')
    assert akc("build", net.name, "--program", "b.bin", folder=net.parent).code == 0
    before, after = ((net.parent / name).read_bytes() for name in ("a.bin", "b.bin"))
    words = [i // 4 for i in range(len(before)) if before[i] != after[i]]
    assert len(before) == len(after) and len(set(words)) == 1
    byte_map = next(iter(json.loads((net.parent / "map.json").read_text()).values()))
    offset = words[0] * 4 - byte_map["info_bytes"]
    ranges = [ByteRange(**row) for row in byte_map["ranges"]]
    hits = [r for r in ranges if r.part == "data" and any(offset in span for span in r.spans)]
    assert [(r.what, r.layer) for r in hits] == [("thresholds", hits[0].layer)]
    told = akc("diff", "a.bin", "b.bin", folder=net.parent)
    assert told.code == 1 and "threshold" in told.stdout


def test_run_gives_what_the_source_gives(net: Path) -> None:
    x = np.random.default_rng(1).uniform(0, 1, (5, 16)).astype(np.float32)
    np.save(net.parent / "x.npy", x)
    for file in ("net.akir", "net.akd"):
        if file.endswith(".akd"):
            assert akc("build", "net.akir", folder=net.parent).code == 0
        assert akc("run", file, "-i", "x.npy", "-o", f"{file}.npy", folder=net.parent).code == 0
    text_result, built_result = (np.load(net.parent / f"{f}.npy") for f in ("net.akir", "net.akd"))
    assert text_result.shape == (5, 3) and text_result.dtype == np.float32
    np.testing.assert_array_equal(text_result, built_result)


def test_raw_takes_and_gives_integers(net: Path) -> None:
    levels = np.random.default_rng(1).integers(0, 16, (5, 1, 1, 16)).astype(np.uint8)
    np.save(net.parent / "levels.npy", levels)
    assert akc("run", "net.akir", "--raw", "-i", "levels.npy", "-o", "p.npy", folder=net.parent).code == 0
    potentials = np.load(net.parent / "p.npy")
    assert potentials.shape == (5, 1, 1, 3) and potentials.dtype == np.int32


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("shape.npy", np.zeros((5, 17), np.float32), "[batch, 16]"),
        ("nan.npy", np.full((5, 16), np.nan, np.float32), "NaN"),
        ("text.npy", np.array(["a"] * 16), "takes numbers"),
    ],
)
def test_samples_that_do_not_fit(net: Path, name: str, array: np.ndarray, words: str) -> None:  # type: ignore[type-arg]
    np.save(net.parent / name, array)
    refused(akc("run", "net.akir", "-i", name, folder=net.parent), name, words)


def test_samples_without_an_input(net: Path) -> None:
    np.savez(net.parent / "x.npz", a=np.zeros((2, 16)), b=np.zeros((2, 16)))
    refused(akc("run", "net.akir", "-i", "x.npz", folder=net.parent), "AKC0702", "%image")


def test_a_file_that_is_no_sample_file(net: Path) -> None:
    refused(akc("run", "net.akir", "-i", "m.onnx", folder=net.parent), "AKC0701")


def test_akd_files_that_are_none_or_damaged(net: Path) -> None:
    assert akc("build", "net.akir", folder=net.parent).code == 0
    good = net.parent / "net.akd"
    (net.parent / "cut.akd").write_bytes(good.read_bytes()[:-200])
    refused(akc("run", "cut.akd", "-i", "x.npy", folder=net.parent), "AKC0601")
    refused(akc("report", "cut.akd", folder=net.parent), "AKC0601")


def test_the_same_network_gives_the_same_file(net: Path) -> None:
    assert akc("build", "net.akir", "-o", "a.akd", folder=net.parent).code == 0
    assert akc("build", "net.akir", "-o", "b.akd", folder=net.parent).code == 0
    assert (net.parent / "a.akd").read_bytes() == (net.parent / "b.akd").read_bytes()


def test_text_where_a_program_is_needed(net: Path) -> None:
    refused(akc("disasm", "net.akir", folder=net.parent), "AKC0909", "net.akir", "akc build")


def test_a_program_where_text_is_needed(net: Path) -> None:
    assert akc("build", "net.akir", "--program", "net.bin", folder=net.parent).code == 0
    refused(akc("check", "net.bin", folder=net.parent), "AKC09")


def test_explain_and_passes() -> None:
    assert "AKC0203" in akc("explain", "akc0203").stdout
    assert "AKC0001" in akc("explain").stdout
    refused(akc("explain", "AKC9999"), "AKC0907")
    listing = akc("passes").stdout
    assert "lower-int4" in listing and "merge-skipdma" in listing
    assert "weights" in akc("passes", "lower-int4").stdout
    refused(akc("passes", "lower-int5"), "did you mean lower-int4?")
