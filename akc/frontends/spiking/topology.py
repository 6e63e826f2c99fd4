# SPDX-License-Identifier: Apache-2.0
"""How the layers of a weights file hang together: a chain such as 784-256-10, or a TOML file.

input = [1, 28, 28]              # channels, d0, d1; or [784]

[[layer]]
name = "conv1"                   # as in the weights file
type = "conv"                    # conv, dense, neuron, max_pool, average_pool, flatten
padding = 1

[[layer]]
name = "lif1"
type = "neuron"
reset_delay = false              # what the file does not hold
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from attrs import field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.files import read_text
from akc.frontends.spiking.refusals import REFUSALS

LAYER_TYPES: dict[str, tuple[str, ...]] = {
    "dense": ("name", "type"),
    "conv": ("name", "type", "stride", "padding", "dilation", "groups"),
    "neuron": (
        "name",
        "type",
        "kind",
        "beta",
        "alpha",
        "threshold",
        "reset",
        "reset_delay",
        "R",
        "C",
        "time_step",
        "max_pool",
        "avg_pool",
    ),
    "max_pool": ("name", "type", "size", "stride", "padding"),
    "average_pool": ("name", "type", "size", "stride", "padding"),
    "flatten": ("name", "type"),
}
"""Options of each type of layer."""

ALIASES = {
    "linear": "dense", "nn.linear": "dense", "conv2d": "conv", "nn.conv2d": "conv", "maxpool2d": "max_pool",
    "nn.maxpool2d": "max_pool", "avgpool2d": "average_pool", "nn.avgpool2d": "average_pool", "nn.flatten": "flatten",
    "lif": "neuron",
}  # fmt: skip
"""What people call the types, in lower case."""

NEURONS = {
    name.lower(): name
    for name in ("Leaky", "Lapicque", "Synaptic", "Alpha", "RLeaky", "RSynaptic", "LeakyParallel", "StateLeaky",
                 "LinearLeaky", "SLSTM", "SConv2dLSTM")
}  # fmt: skip
"""Classes of snnTorch that may stand as a type, with or without `snn.`."""

MISNAMED = {"snn.conv2d": "no-such-conv", "snn.lstm": "no-such-lstm", "lstm": "lstm", "nn.lstm": "lstm"}
"""Types that are refused, by the row of the table of refusals."""


@frozen(kw_only=True)
class LayerEntry:
    """One layer: its type, its name in the weights file, its options."""

    type: str
    name: str = ""
    options: dict[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Topology:
    """input: shape without batch axis, or None where the first weights say it; sizes: of a plain chain of
    dense layers; layers: of a TOML file."""

    input: tuple[int, ...] | None = None
    sizes: tuple[int, ...] = ()
    layers: tuple[LayerEntry, ...] = ()


def read_topology(text: str) -> Topology:
    """A topology from `784-256-10` or from the path of a TOML file; raises DiagnosticError AKC0385, AKC0386."""
    if text.endswith(".toml"):
        return _read_toml(text)
    try:
        sizes = tuple(int(word) for word in text.split("-"))
    except ValueError:
        sizes = ()
    if len(sizes) < 2 or min(sizes) < 1:
        raise error(
            "AKC0385",
            f"{text!r} is no topology",
            help=("a chain is written 784-256-10", "convolutions need a TOML file: --topology net.toml"),
        )
    return Topology(sizes=sizes)


def _read_toml(path: str) -> Topology:
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as fault:
        raise error("AKC0385", f"{Path(path).name} is no TOML: {fault}") from None
    faults: list[Diagnostic] = []
    shape, layers = table.get("input"), table.get("layer", [])
    if not (isinstance(shape, list) and shape and all(isinstance(n, int) and n > 0 for n in shape)):
        faults.append(
            Diagnostic(
                code="AKC0385",
                message=f"{Path(path).name} has no input shape",
                help="write input = [784], or [channels, d0, d1]",
            )
        )
    if not layers:
        faults.append(Diagnostic(code="AKC0385", message=f"{Path(path).name} has no [[layer]]"))
    entries = [_entry(layer, index, faults) for index, layer in enumerate(layers)]
    if faults:
        raise DiagnosticError(faults)
    return Topology(input=tuple(shape or ()), layers=tuple(e for e in entries if e is not None))


def _entry(layer: dict[str, Any], index: int, faults: list[Diagnostic]) -> LayerEntry | None:
    written = str(layer.get("type", ""))
    name, word = str(layer.get("name", written or index)), written.lower()
    if word in MISNAMED:
        faults.append(REFUSALS[MISNAMED[word]].diagnostic(name, written))
        return None
    neuron = NEURONS.get(word.removeprefix("snn."))
    if neuron is not None:
        layer = {**layer, "kind": neuron}
    kind = "neuron" if neuron else ALIASES.get(word, word)
    if kind not in LAYER_TYPES:
        faults.append(
            Diagnostic(
                code="AKC0385",
                message=f"layer {index + 1} ('{name}') has the type {written or '(none)'}",
                help=f"the types are {', '.join(LAYER_TYPES)}",
            )
        )
        return None
    unknown = sorted(set(layer) - set(LAYER_TYPES[kind]))
    if unknown:
        faults.append(
            Diagnostic(
                code="AKC0385",
                message=f"layer '{name}' ({kind}) has no option {', '.join(unknown)}",
                help=f"it takes {', '.join(LAYER_TYPES[kind])}",
            )
        )
    return LayerEntry(type=kind, name=name, options={k: v for k, v in layer.items() if k not in ("type", "name")})
