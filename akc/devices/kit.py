# SPDX-License-Identifier: Apache-2.0
"""A folder that an owner of a chip can run and send back: programs, inputs, expected integers, a log of all answers.

make_kit("kit")                      # on any machine
run_kit("kit", "/dev/akida0")        # on the machine with the chip; writes kit/answers/
"""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict, frozen

import akc
from akc.base.diagnostics import DiagnosticError, error
from akc.base.files import make_folder, read_bytes
from akc.base.products import write_bytes
from akc.compiler.program import Program, load
from akc.devices.learned import learning_layer
from akc.devices.opening import OpenDevice, list_devices, open_device
from akc.ir.module import Module, Net, Op, Sequence, Value
from akc.ir.ops import akida
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.sim.registry import Array
from akc.targets import Progress

README = """# Conformance kit of akc {version}

Each folder below `networks/` holds a program for an AKD1000 (`net.akd`), its inputs (`inputs.npy`, the
chip's own integers) and the integers that akc's simulator gives (`expected.npy`).

On a machine with a chip and akc installed:

    akc verify --kit . --on /dev/akida0

That writes `answers/`: what the chip gave for each network, and a log of every register and memory
access with the answer to it. A network that learns then learns from its inputs, one by one; what it holds
afterwards is in `NAME-learned.akd`. Please send that folder back; differences and faults are just as welcome.

`report.json` sums it up. No sudo is needed where the node's mode allows it (`akc devices` says so). akc writes
to the chip's registers and memory and nowhere else, and Ctrl-C is safe at any time.
"""
SAMPLES = 8


@frozen(kw_only=True)
class KitResult:
    """One network on a device: whether its integers agreed, or the fault that came."""

    network: str
    equal: bool
    differing: int = 0
    values: int = 0
    cycles: int = 0
    """Clock cycles that the device counted for the last input."""
    fault: str = ""


def make_kit(folder: str | os.PathLike[str], programs: Mapping[str, tuple[Program, Any]] | None = None) -> list[str]:
    """Write a kit; gives the names of its networks.

    programs: by name, a built network and raw inputs (levels or pixels) with a batch axis; by default one small
    network for each kind of layer, memory and output format.
    """
    cases = dict(default_networks()) if programs is None else programs
    root = Path(folder)
    _check_readme(root / "README.md")
    for name, (program, inputs) in cases.items():
        place = make_folder(root / "networks" / name)
        program.save(place / "net.akd")
        write_bytes(place / "inputs.npy", _npy(inputs))
        write_bytes(place / "expected.npy", _npy(program.run(inputs, raw=True)))
    write_bytes(root / "README.md", README.format(version=akc.__version__).encode())
    return list(cases)


def _check_readme(path: Path) -> None:
    """Refuse a folder whose README.md is no kit's: it would be lost."""
    there = read_bytes(path) if path.is_file() else b""
    if there and not there.startswith(README.partition("{")[0].encode()):
        raise error("AKC0916", f"{path} is none of a kit and would be lost", help="name a new folder for the kit")


def _npy(values: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(values))
    return stream.getvalue()


def run_kit(folder: str | os.PathLike[str], on: str, progress: Progress | None = None) -> list[KitResult]:
    """Run every network of a kit on a device and write `answers/`. A fault of one network does not stop the rest.

    Raises DiagnosticError AKC0901 where the folder is no kit, and what opening the device raises.
    """
    places = sorted(p.parent for p in Path(folder).glob("networks/*/net.akd"))
    if not places:
        raise error("AKC0901", f"{folder} holds no kit", help=f"akc verify --kit {folder} writes one")
    answers = Path(folder) / "answers"
    answers.mkdir(exist_ok=True)
    results = []
    with (
        gzip.open(answers / "accesses.txt.gz", "wt") as log,
        open_device(on, progress, lambda line: print(line, file=log)) as device,
    ):
        for place in places:
            print(f"# {place.name}", file=log)
            results.append(_run_one(device, place, answers))
    report = {
        "akc": akc.__version__,
        "device": on,
        "machine": platform.platform(),
        "devices": [asdict(row) for row in list_devices()],
        "networks": [asdict(result) for result in results],
    }
    (answers / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return results


def _run_one(device: OpenDevice, place: Path, answers: Path) -> KitResult:
    program, inputs, expected = load(place / "net.akd"), np.load(place / "inputs.npy"), np.load(place / "expected.npy")
    try:
        device.set_clock_counter(True)
        device.program(program.bytes)
        found = device.forward(inputs)
        np.save(answers / f"{place.name}.npy", found)
        cycles = device.read_clock_counter()
        if learning_layer(program.module) is not None:
            _learn(device, program, inputs).save(answers / f"{place.name}-learned.akd")
    except DiagnosticError as fault:
        return KitResult(network=place.name, equal=False, values=expected.size, fault=str(fault))
    differing = int((found != expected).sum())
    return KitResult(network=place.name, equal=not differing, differing=differing, values=expected.size, cycles=cycles)


def _learn(device: OpenDevice, program: Program, inputs: Array) -> Program:
    """One pass of edge learning over the inputs, their classes in turn."""
    found = learning_layer(program.module)
    assert found is not None and found[1].learning is not None
    device.program(program, learning=True)
    device.fit(inputs, np.arange(len(inputs)) % found[1].learning.num_classes)
    return device.learned()


# -- default networks ------------------------------------------------------------------------------


@frozen
class Plan:
    """A network in short: input shape and type, then (layer class, filters, kernel, weight type, fields)."""

    shape: tuple[int, int, int]
    dtype: str
    layers: tuple[tuple[type[akida.Layer], int, int, str, dict[str, Any]], ...]


_DENSE, _CONV, _SEP = akida.FullyConnected, akida.Convolutional, akida.SeparableConvolutional
_IMAGE = akida.InputConvolutional
_POTENTIALS = {"activation": False}
_POOLED = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2), "act_bits": 4}

PLANS: dict[str, Plan] = {
    "dense-levels": Plan((1, 1, 40), "u4", ((_DENSE, 12, 1, "i4", {"act_bits": 4}),)),
    "dense-potentials": Plan((1, 1, 40), "u4", ((_DENSE, 12, 1, "i4", _POTENTIALS),)),
    "dense-one-bit": Plan((1, 1, 64), "u1", ((_DENSE, 20, 1, "u1", {}), (_DENSE, 5, 1, "i2", _POTENTIALS))),
    "dense-external-weights": Plan((1, 1, 900), "u2", ((_DENSE, 200, 1, "i2", _POTENTIALS),)),
    "dense-on-a-map": Plan((5, 4, 6), "u4", ((_DENSE, 9, 1, "i4", _POTENTIALS),)),
    "conv-levels": Plan((9, 8, 3), "u4", ((_CONV, 10, 3, "i4", {"act_bits": 4}),)),
    "conv-potentials": Plan((9, 8, 3), "u2", ((_CONV, 6, 5, "i2", _POTENTIALS),)),
    "conv-stride-pool": Plan(
        (16, 16, 4),
        "u4",
        (
            (_CONV, 8, 3, "i2", {"stride": (2, 2), "act_bits": 4}),
            (_CONV, 8, 7, "u1", _POOLED),
            (_CONV, 4, 1, "i4", {"pool": "average", "activation": False}),
        ),
    ),
    "conv-tiled": Plan((70, 20, 6), "u4", ((_CONV, 16, 3, "i4", {"act_bits": 2}),)),
    "separable": Plan((12, 12, 8), "u4", ((_SEP, 16, 3, "i4", {"act_bits": 4}), (_SEP, 6, 5, "i2", _POTENTIALS))),
    "learning": Plan(
        (1, 1, 64),
        "u1",
        (
            (_DENSE, 40, 1, "i2", {}),
            (_DENSE, 12, 1, "u1", {**_POTENTIALS, "learning": akida.Learning(num_weights=10, num_classes=4)}),
        ),
    ),
    "image-alone": Plan((20, 18, 3), "u8", ((_IMAGE, 8, 3, "i8", {"act_bits": 4, "stride": (2, 2)}),)),
    "image-conv-dense": Plan(
        (28, 28, 1),
        "u8",
        (
            (_IMAGE, 16, 5, "i8", {**_POOLED, "padding": "valid"}),
            (_CONV, 8, 3, "i4", {"act_bits": 4}),
            (_DENSE, 10, 1, "i4", _POTENTIALS),
        ),
    ),
}
"""A small network for each kind of layer, weight memory, input and output format."""


def default_networks() -> Iterator[tuple[str, tuple[Program, Array]]]:
    """The networks of a kit, built, with inputs; numbers come from seeds, so every kit is the same."""
    for number, (name, plan) in enumerate(PLANS.items()):
        random = np.random.default_rng(number)
        module = draw_module(name, plan, random)
        kind = module.net.inputs[0].type
        inputs = random.integers(0, (kind.element.high or 0) + 1, (SAMPLES, *kind.shape)).astype(np.uint8)
        inputs[0] = 0
        yield name, (akc.build(module), inputs)


def draw_module(name: str, plan: Plan, random: np.random.Generator) -> Module:
    """A network of akida layers in one sequence @s0, its numbers drawn."""
    value = entry = Value("x", TensorType(plan.dtype, plan.shape))
    weights: dict[str, Weight] = {}
    ops: list[Op] = []
    for number, (layer, filters, kernel, dtype, fields) in enumerate(plan.layers):
        names = _weights(f"layer{number}", layer, filters, kernel, dtype, value.type, random, weights)
        if "learning" in fields:
            weights[names["weights"]] = _ones(filters, value.type.size, fields["learning"].num_weights, random)
        draft = layer(result=Value(f"layer{number}", value.type), x=value.name, **names, **fields)
        types = Types({value.name: value.type}, {n: w.type for n, w in weights.items()})
        value = Value(draft.name, draft.infer(types))
        ops.append(layer(result=value, x=draft.x, **names, **fields))
    net = Net(
        name=name.replace("-", "_"),
        inputs=(entry,),
        statements=(Sequence(name="s0", ops=tuple(ops)),),
        outputs=(value.name,),
        output_types=(value.type,),
    )
    return Module(net=net, weights=weights)


def _ones(units: int, inputs: int, count: int, random: np.random.Generator) -> Weight:
    """Weights of a layer that learns: `count` ones in each unit."""
    return Weight.of((random.random((units, inputs)).argsort(axis=1) < count).astype(np.uint8), "u1")


def _weights(
    prefix: str,
    layer: type[akida.Layer],
    filters: int,
    kernel: int,
    dtype: str,
    x: TensorType,
    random: np.random.Generator,
    weights: dict[str, Weight],
) -> dict[str, Any]:
    """Draw a layer's weights, thresholds and steps; gives its fields that name them."""
    channels = x.shape[2]
    shapes: dict[str, tuple[int, ...]] = {"weights": (filters, kernel, kernel, channels)}
    if layer is _DENSE:
        shapes = {"weights": (filters, x.size)}
    elif layer is _SEP:
        shapes = {"weights": (channels, kernel, kernel), "pointwise": (filters, channels)}
    for key, shape in shapes.items():
        low, high = TensorType(dtype, ()).element.low or 0, TensorType(dtype, ()).element.high or 0
        weights[f"{prefix}.{key}"] = Weight.of(random.integers(low, high + 1, shape), dtype)
    weights[f"{prefix}.threshold"] = Weight.of(random.integers(-40, 40, filters), "i32")
    weights[f"{prefix}.act_step"] = Weight.of(random.integers(16, 400, filters) / 16, "f32")
    return {key: f"{prefix}.{key}" for key in (*shapes, "threshold", "act_step")}
