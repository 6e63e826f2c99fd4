# SPDX-License-Identifier: Apache-2.0
"""The .fbz file both ways: the SDK loads what akc writes, akc reads what the SDK writes, nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import akida
import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.fbz import to_buffer, write
from akc.fbz.reading import read
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.ir.verifier import verify
from akc.sim.run import run
from tests.conformance import random_networks, software_networks, vendor
from tests.conformance.random_networks import samples

pytestmark = pytest.mark.conformance

SDK = "2.19.3"
COUNT = 30


def networks(kind: str) -> Iterator[tuple[int, Module]]:
    """Networks whose input has the name that the vendor's side gives it."""
    found = (
        software_networks.networks(5_000_000, 8 * COUNT)
        if kind == "software"
        else random_networks.networks(kind, 3000, COUNT)
    )
    for seed, module in found:
        (old,) = module.net.inputs
        ops = [op.renamed({old.name: "akc_input"}) for op in module.net.ops]
        yield seed, module.with_statements(ops, inputs=(evolve(old, name="akc_input"),))


def models(kind: str) -> Iterator[tuple[int, Module, Any]]:
    """The networks that the SDK can build, with its models; akc refuses to write the others, too."""
    for seed, module in networks(kind):
        try:
            model = vendor.to_akida(module)
        except ValueError:
            assert kind == "spoiled"
            with pytest.raises(DiagnosticError, match="AKC0640"):
                write(module)
            continue
        yield seed, module, model


def check_same_model(ours: Any, theirs: Any) -> None:
    """Names, parameters and variables of two models of the SDK."""
    described = [[(layer["name"], layer["parameters"]) for layer in m.to_dict()["layers"]] for m in (ours, theirs)]
    assert described[0] == described[1]
    for mine, other in zip(ours.layers, theirs.layers):
        assert mine.variables.names == other.variables.names
        for name in mine.variables.names:
            np.testing.assert_array_equal(mine.get_variable(name), other.get_variable(name))


KINDS = [*random_networks.CLASSES, "software"]


@pytest.mark.parametrize("kind", KINDS)
def test_written_buffer_is_the_vendors(kind: str) -> None:
    for seed, module, model in models(kind):
        assert to_buffer(module, SDK) == bytes(model.to_buffer()), f"seed {seed}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_sdk_loads_what_akc_writes(kind: str, tmp_path: Path) -> None:
    for seed, module, model in models(kind):
        path = tmp_path / f"{seed}.fbz"
        path.write_bytes(write(module))
        loaded = akida.Model(str(path))
        check_same_model(loaded, model)
        x = samples(module, seed)
        np.testing.assert_array_equal(loaded.forward(x), model.forward(x))


@pytest.mark.parametrize("kind", KINDS)
def test_akc_reads_what_the_sdk_writes(kind: str, tmp_path: Path) -> None:
    for seed, module, model in models(kind):
        path = tmp_path / f"{seed}.fbz"
        model.save(str(path))
        found = read(path.read_bytes(), path.name)
        assert not verify(found)
        assert level_of(found) == "quantised"
        x = samples(module, seed)
        expected = model.forward(x)
        (given,) = run(found, x, raw=True).values()
        np.testing.assert_array_equal(given, expected, err_msg=f"seed {seed}")
        if found.net.output_types[0].dtype == "f32":
            (decoded,) = run(found, x).values()
            np.testing.assert_array_equal(decoded.reshape(len(x), -1), model.predict(x).reshape(len(x), -1))
        again = to_buffer(found, SDK)
        image = found.net.inputs[0].name == "input"
        assert image or again == bytes(model.to_buffer()), f"seed {seed}"
        assert to_buffer(read(write(found), path.name), SDK) == again


@pytest.mark.parametrize("version", ["0.1.0", "2.4.0", "2.19.3"])
def test_older_versions_are_taken_by_both(version: str, tmp_path: Path) -> None:
    _, module = next(networks("mixed"))
    path = tmp_path / "old.fbz"
    path.write_bytes(write(module, version))
    check_same_model(akida.Model(str(path)), vendor.to_akida(module))
    assert read(path.read_bytes(), "old.fbz").net.name == "old"


def test_newer_versions_are_refused_by_both(tmp_path: Path) -> None:
    path = tmp_path / "new.fbz"
    path.write_bytes(write(random_networks.network("mixed", 1), "2.20.0"))
    with pytest.raises(RuntimeError):
        akida.Model(str(path))
    with pytest.raises(DiagnosticError, match="AKC0342"):
        read(path.read_bytes(), "new.fbz")


def test_learning_settings_are_taken(tmp_path: Path) -> None:
    """The SDK finds its own learning settings in a file that akc wrote."""
    module = random_networks.network("learning", 3)
    model = vendor.to_akida(module)
    path = tmp_path / "learning.fbz"
    path.write_bytes(write(module))
    loaded = akida.Model(str(path))
    assert loaded.learning is not None
    settings = model.learning
    names = ("num_weights", "num_classes", "initial_plasticity", "learning_competition", "min_plasticity")
    assert [getattr(loaded.learning, n) for n in names] == [getattr(settings, n) for n in names]


def test_vendor_names_come_back(tmp_path: Path) -> None:
    """Names that the text cannot hold are kept as origins and written again."""
    model = akida.Model()
    model.add(akida.InputData((1, 1, 8), input_bits=4, name="in"))
    model.add(akida.FullyConnected(4, weights_bits=4, act_bits=4, name="dense/1 ü"))
    model.add(akida.FullyConnected(2, weights_bits=4, activation=False, name="dense/2"))
    path = tmp_path / "names.fbz"
    model.save(str(path))
    module = read(path.read_bytes(), path.name)
    assert [op.origin for op in module.net.ops][:2] == [("dense/1 ü",), ("dense/2",)]
    assert to_buffer(module, SDK) == bytes(model.to_buffer())
