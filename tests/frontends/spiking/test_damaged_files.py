# SPDX-License-Identifier: Apache-2.0
"""Files that claim what they do not hold, or hold what no network has: one fault with its path."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import akc
from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.lava import read_lava
from akc.frontends.spiking.nir import read_nir
from akc.frontends.spiking.reader import SpikingOptions
from akc.frontends.spiking.weights import read_statedict
from akc.frontends.torch.pickles import read_objects
from tests.frontends.spiking.test_lava import dense, written

OPTIONS = SpikingOptions(steps=4, readout="count", producer="norse")


def lava(folder: Path, change: Callable[[Any], None]) -> str:
    """A network of two layers, changed."""
    path = written(folder, dense(np.full((4, 6), 30)), dense(np.full((3, 4), 30)))
    with h5py.File(path, "a") as file:
        change(file)
    return path


def replaced(path: str, value: Any) -> Callable[[Any], None]:
    """Put something else in a place."""

    def change(file: Any) -> None:
        del file[path]
        file[path] = value

    return change


def bomb(path: str) -> Callable[[Any], None]:
    """A dataset that takes no room in the file, and 4 GB outside of it."""

    def change(file: Any) -> None:
        if path in file:
            del file[path]
        file.create_dataset(path, shape=(1_000_000_000,), dtype="f4", chunks=(1 << 16,))

    return change


def around(file: Any) -> None:
    """A group inside itself."""
    file["layer/1/again"] = file["layer"]


def deep(file: Any) -> None:
    """More groups inside each other than any network has."""
    file.create_group("layer/1/" + "/".join("x" * 60))


def external(file: Any) -> None:
    """Weights in another file."""
    del file["layer/1/weight"]
    file["layer/1/weight"] = h5py.ExternalLink("/etc/passwd", "/x")


def elsewhere(file: Any) -> None:
    """Raw bytes in another file."""
    del file["layer/1/weight"]
    file.create_dataset("layer/1/weight", shape=(3, 4), dtype="u1", external=[("/etc/passwd", 0, 12)])


DAMAGE: dict[str, tuple[Callable[[Any], None], str, str]] = {
    "decay": (replaced("layer/1/neuron/vDecay", 5000), "AKC0955", "net.net: layer/1/neuron/vDecay is 5000"),
    "neuron": (replaced("layer/0/neuron", np.zeros(3)), "AKC0955", "layer/0/neuron is an array 3 of float64"),
    "type": (replaced("layer/0/type", b"\xff"), "AKC0955", "layer/0/type is no UTF-8 text"),
    "empty": (replaced("layer/0/type", np.zeros(0)), "AKC0955", "layer/0/type is an array 0"),
    "infinite": (replaced("layer/0/neuron/vThMant", np.inf), "AKC0955", "layer/0/neuron/vThMant is inf"),
    "not a number": (replaced("layer/0/weight", np.full((4, 6), np.nan)), "AKC0955", "layer/0/weight is nan"),
    "units": (replaced("layer/0/outFeatures", 5), "AKC0955", "layer/0/weight is 24 numbers"),
    "bias": (lambda f: f.__setitem__("layer/1/bias", np.zeros(7)),
             "AKC0955", "layer/1/bias is 7 numbers"),
    "no layers": (lambda f: f.__delitem__("layer"), "AKC0389", "has no layers"),
    "large weights": (bomb("layer/1/weight"), "AKC0956", "layer/1/weight of 1000000000 float32 takes 3.726 GiB"),
    "large neuron": (bomb("layer/1/neuron/more"), "AKC0956", "layer/1/neuron/more"),
    "external": (external, "AKC0957", "layer/1/weight is a link to another place"),
    "elsewhere": (elsewhere, "AKC0957", "layer/1/weight keeps its bytes in another place"),
    "around": (around, "AKC0959", "layer/1/again is a group that is reached twice"),
    "deep": (deep, "AKC0959", "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_lava_file_is_one_fault_with_its_path(kind: str, tmp_path: Path) -> None:
    change, code, words = DAMAGE[kind]
    with pytest.raises(DiagnosticError) as caught:
        read_lava(lava(tmp_path, change), OPTIONS)
    (fault,) = caught.value.diagnostics
    assert (fault.code, words in fault.message) == (code, True), fault.message
    assert fault.help


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        for path in ("layer/0/neuron/iDecay", "layer/1/neuron/vDecay"):
            replaced(path, -1)(file)

    with pytest.raises(DiagnosticError) as caught:
        read_lava(lava(tmp_path, change), OPTIONS)
    assert len(caught.value.diagnostics) == 2


def test_more_steps_than_are_simulated_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0961.*100000 time steps"):
        read_lava(lava(tmp_path, lambda file: None), SpikingOptions(steps=100_000, readout="count"))


def nir_file(folder: Path, **nodes: dict[str, Any]) -> str:
    """A chain of nodes, as nir writes them."""
    path = folder / "n.nir"
    names = list(nodes)
    with h5py.File(path, "w") as file:
        root = file.create_group("node")
        root["type"] = "NIRGraph"
        root.create_dataset("edges", data=list(itertools.pairwise(names)), dtype=h5py.string_dtype())
        for name, fields in nodes.items():
            group = root.create_group(f"nodes/{name}")
            for key, value in fields.items():
                group[key] = value
    return str(path)


ENDS = {"in": {"type": "Input", "shape": np.array([4])}, "out": {"type": "Output", "shape": np.array([2])}}
IF = {"type": "IF", "r": np.ones(2), "v_threshold": np.ones(2), "v_reset": np.zeros(2)}
FC = {"type": "Linear", "weight": np.ones((2, 4))}


@pytest.mark.parametrize(("fc", "neuron", "words"), [
    (FC, {**IF, "r": np.ones(3)}, "node/nodes/n/"),
    (FC, {**IF, "v_threshold": np.array([np.nan, 1])}, "node/nodes/n/v_threshold is nan"),
    ({**FC, "weight": np.ones(8)}, IF, "node/nodes/fc/weight is an array 8"),
    ({"type": "Linear"}, IF, "node/nodes/fc/weight is missing"),
    ({"type": "Affine", "weight": np.ones((2, 4)), "bias": np.ones(3)}, IF, "node/nodes/fc/bias is 3 numbers"),
    ({"weight": np.ones((2, 4))}, IF, "node/nodes/fc/type is missing"),
])  # fmt: skip
def test_a_damaged_nir_file_is_a_fault_with_its_path(fc: Any, neuron: Any, words: str, tmp_path: Path) -> None:
    path = nir_file(tmp_path, **{"in": ENDS["in"], "fc": fc, "n": neuron, "out": ENDS["out"]})
    with pytest.raises(DiagnosticError) as caught:
        read_nir(path, OPTIONS)
    assert {d.code for d in caught.value.diagnostics} == {"AKC0955"} and words in caught.value.diagnostics[0].message


def test_the_nir_files_above_are_read_undamaged(tmp_path: Path) -> None:
    assert read_nir(
        nir_file(tmp_path, **{"in": ENDS["in"], "fc": FC, "n": IF, "out": ENDS["out"]}), OPTIONS
    ).net.outputs


# -- files of PyTorch --------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_read_without_torch_as_torch_reads_them(zipped: bool, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    base = torch.rand(6, 4, generator=generator)
    held = {
        "plain": base, "view": base[1:, ::2].t(), "double": base.double(), "half": base.half(),
        "whole": torch.arange(5), "flag": base > 0.5, "upper": base.bfloat16(),
        "one": torch.tensor(3.0), "none": torch.zeros(0, 3), "expanded": torch.ones(1, 3).expand(4, 3),
        "parameter": torch.nn.Parameter(base),
    }  # fmt: skip
    if zipped:
        held |= {"sparse": (base * (base > 0.7)).to_sparse(), "u2": torch.arange(4).to(torch.uint16)}
    torch.save(held, tmp_path / "n.pt", _use_new_zipfile_serialization=zipped)
    found = read_objects(str(tmp_path / "n.pt"))
    assert list(found) == list(held)
    for key, tensor in held.items():
        wanted = tensor.detach().to_dense()
        wanted = wanted.float() if key == "upper" else wanted
        np.testing.assert_array_equal(found[key], wanted.numpy())
        assert found[key].dtype == wanted.numpy().dtype


def saved(folder: Path, held: Any) -> str:
    """A .pt file."""
    torch.save(held, folder / "n.pt")
    return str(folder / "n.pt")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("change", "code", "words"), [
    ({"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "AKC0955", "q is a quantised tensor"),
    ({"m": torch.zeros(3, device="meta")}, "AKC0955", "m is a tensor without numbers"),
    ({3: torch.zeros(3)}, "AKC0955", "3 is the name of an array"),
    ({"c": torch.zeros(2, dtype=torch.complex64)}, "AKC0389", "ComplexFloatStorage"),
    ({"e": torch.zeros(1).expand(1 << 30)}, "AKC0956", "a tensor 1073741824 takes 4 GiB"),
    ({"lif1.beta": torch.tensor(float("nan"))}, "AKC0955", "lif1.beta is nan"),
    ({"lif1.reset_mechanism_val": torch.tensor([1, 2])}, "AKC0955", "lif1.reset_mechanism_val is an array 2"),
    ({"fc1.bias": torch.zeros(5)}, "AKC0384", "5 biases"),
    ({"fc1.weight": torch.full((3, 4), 1e20)}, "AKC0960", ""),
])  # fmt: skip
def test_tensors_that_are_no_weights_are_refused(change: Any, code: str, words: str, tmp_path: Path) -> None:
    held = {
        "fc1.weight": torch.ones(3, 4), "fc1.bias": torch.zeros(3), "lif1.beta": torch.tensor(0.9),
        "lif1.threshold": torch.tensor(1.0), "lif1.reset_mechanism_val": torch.tensor(0),
        "fc2.weight": torch.full((2, 3), 1e20) if code == "AKC0960" else torch.ones(2, 3),
        "lif2.beta": torch.tensor(0.9), "lif2.threshold": torch.tensor(1.0),
        "lif2.reset_mechanism_val": torch.tensor(0),
    }  # fmt: skip
    path = saved(tmp_path, {**held, **change})
    with pytest.raises(DiagnosticError) as caught:
        if code == "AKC0960":
            held["fc1.weight"] = torch.full((3, 4), 1e20)
            akc.dense_network([held["fc1.weight"].numpy(), held["fc2.weight"].numpy()], input_range=(0, 1))
        else:
            read_statedict(path, OPTIONS)
    assert caught.value.diagnostics[0].code == code, caught.value
    assert words in caught.value.diagnostics[0].message


def test_a_member_of_a_zip_and_a_place_of_a_memo_cannot_claim_memory(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02r\xff\xff\xff\xff.")
    (tmp_path / "n.pt").write_bytes(stream.getvalue())
    with pytest.raises(DiagnosticError, match="uses place 4294967295 of a memo"):
        read_objects(str(tmp_path / "n.pt"))
    data = bytearray(saved_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1 << 31).to_bytes(4, "little")  # the size that the archive's list claims
    (tmp_path / "n.pt").write_bytes(bytes(data))
    with pytest.raises(DiagnosticError, match=r"AKC0956|AKC0389"):
        read_objects(str(tmp_path / "n.pt"))


def saved_bytes() -> bytes:
    """A small file of torch.save."""
    stream = io.BytesIO()
    torch.save({"a": torch.ones(3)}, stream)
    return stream.getvalue()


TOPOLOGIES = {
    'input = [4]\n[[layer]]\nname = "fc1"\ntype = "conv"\nstride = 0\n': "layer/0/stride is 0",
    'input = [4]\n[[layer]]\nname = "l"\ntype = "lif"\nbeta = "x"\n': "layer/0/beta is 'x'",
    'input = [4]\n[[layer]]\nname = "l"\ntype = "lif"\nbeta = inf\n': "layer/0/beta is inf",
    'input = [4]\n[[layer]]\nname = 3\ntype = "lif"\n': "layer/0/name is 3",
    "input = " + "[" * 500 + "]" * 500: "AKC0959",
    "input = [" + "9" * 5000 + "]": "digits",
    "a" + ".a" * 2000 + " = 1\n": "AKC0959",
    "layer = 3\ninput = [4]\n": "has no [[layer]]",
}


@pytest.mark.parametrize("text", TOPOLOGIES, ids=range(len(TOPOLOGIES)))
def test_topologies_are_checked_field_by_field(text: str, tmp_path: Path) -> None:
    path = saved(tmp_path, {"fc1.weight": torch.ones(3, 4)})
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(DiagnosticError) as caught:
        read_statedict(path, SpikingOptions(steps=4, readout="count", topology=str(tmp_path / "t.toml")))
    assert TOPOLOGIES[text] in str(caught.value)
