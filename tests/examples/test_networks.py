# SPDX-License-Identifier: Apache-2.0
"""Each example network on a part of its test set: accuracy, the emulated chip, the texts of its stages.

The bounds leave room for small parts of the test sets; whole ones are run by examples/<name>/run.py and
examples/emulate.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve, frozen

import akc
from examples import emulate, roads
from examples.accuracy import percent, table
from examples.networks import NETWORKS, folder_of

pytestmark = pytest.mark.example
ON_EMULATOR = 8


@frozen
class Bounds:
    """Test samples; points that calibration may lose; same answers with and without samples, in percent; sequences."""

    count: int
    loss: float
    same: float
    same_without: float
    sequences: int = 1


BOUNDS = {
    "mnist_mlp": Bounds(2_000, 0.5, 99.0, 98.0),
    "fashion_cnn/lenet": Bounds(1_000, 1.0, 95.0, 90.0),
    "fashion_cnn/vgg": Bounds(300, 1.5, 95.0, 93.0),
    "fashion_cnn/ds_cnn": Bounds(300, 1.5, 94.0, 85.0),
    "keyword_cnn": Bounds(400, 1.5, 95.0, 65.0),
    "mnist_snn": Bounds(2_000, 0.3, 99.0, 98.0),
    "nmnist_conv_snn": Bounds(200, 1.5, 94.0, 82.0),
    "spoken_digits_esn": Bounds(200, 1.0, 98.5, 97.0, sequences=3),
    "spoken_digits_lstm": Bounds(200, 1.0, 98.5, 55.0),
}


@frozen
class Compiled:
    """A calibrated network, the folder of its stages, and how it is to be judged."""

    name: str
    case: roads.Case
    program: akc.Program
    stages: Path
    bounds: Bounds


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    name, stages = request.param, tmp_path_factory.mktemp("stages")
    case = NETWORKS[name](BOUNDS[name].count)
    yield Compiled(name, case, roads.compile_case(case, roads.CALIBRATED, stages), stages, BOUNDS[name])


def test_accuracy(network: Compiled) -> None:
    rows = roads.rows_of(network.case, {roads.CALIBRATED.what: network.program})
    source, calibrated = rows
    assert calibrated.accuracy >= source.accuracy - network.bounds.loss, table(rows, network.bounds.count)
    assert calibrated.same >= network.bounds.same, table(rows, network.bounds.count)
    assert len(network.program.sequences) == network.bounds.sequences


def test_without_samples(network: Compiled) -> None:
    program = roads.compile_case(network.case, roads.DATA_FREE)
    rows = roads.rows_of(network.case, {roads.DATA_FREE.what: program})
    assert rows[1].same >= network.bounds.same_without, table(rows, network.bounds.count)


def test_on_the_emulator(network: Compiled, tmp_path: Path) -> None:
    part = evolve(
        network.case,
        inputs=network.case.inputs[:ON_EMULATOR],
        labels=network.case.labels[:ON_EMULATOR],
        scores=network.case.scores[:ON_EMULATOR],
    )
    emulate.write(network.program, part.inputs, tmp_path)
    emulate.run_all(tmp_path)
    found = emulate.outputs(tmp_path)
    np.testing.assert_array_equal(found, network.program.run(part.inputs))
    assert percent(found.reshape(ON_EMULATOR, -1).argmax(axis=1), part.answers) >= 75


MEASURED = re.compile(r'-?\d+\.\d+(e[+-]?\d+)?|(zero_point|padding_value)=\d+|sha256:[0-9a-f]+|(dec|splat) "[^"]*"')


def structure(folder: Path) -> dict[str, str]:
    """The stages by pass, without numbers that come out of products, whose last digits differ between machines."""
    return {path.name[3:]: MEASURED.sub("#", path.read_text(encoding="utf-8")) for path in folder.glob("*.akir")}


def test_stages_are_what_the_compiler_prints(network: Compiled) -> None:
    kept, printed = structure(folder_of(network.name, "akir")), structure(network.stages)
    assert kept == printed, f"run: python examples/stages.py {network.name}"
    assert "place.akir" in kept and "input.akir" in kept
