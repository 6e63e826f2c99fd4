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

import re
import tomllib
from pathlib import Path
from typing import Any

from attrs import field, frozen

from akc.base.checked import Faults, Flag, Real, Rule, Whole, Wholes, Word, taken
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.files import read_text
from akc.frontends.spiking.files.weights import OneOrMore
from akc.frontends.spiking.refusals import REFUSALS

SIZES = Wholes((1, 2), low=1, high=1 << 16)
BORDERS = Wholes((1, 2), low=0, high=1 << 16)
DECAY = OneOrMore(Real())
CONSTANT = OneOrMore(Real(0, above=True))

LAYER_TYPES: dict[str, dict[str, Rule]] = {
    "dense": {},
    "conv": {"stride": SIZES, "padding": BORDERS, "dilation": SIZES, "groups": Whole(1, 1 << 16)},
    "neuron": {
        "kind": Word(longest=64),
        "beta": DECAY,
        "alpha": DECAY,
        "threshold": OneOrMore(Real(infinite=True)),
        "reset": Word(("subtract", "zero", "none")),
        "reset_delay": Flag(),
        "R": CONSTANT,
        "C": CONSTANT,
        "time_step": CONSTANT,
        "max_pool": SIZES,
        "avg_pool": SIZES,
    },
    "max_pool": {"size": SIZES, "stride": SIZES, "padding": BORDERS},
    "average_pool": {"size": SIZES, "stride": SIZES, "padding": BORDERS},
    "flatten": {},
}
"""Options of each type of layer, beside name and type, and what they may be."""

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
        sizes = tuple(int(word[:12]) for word in text.split("-"))
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
    table = _table(path)
    faults: list[Diagnostic] = []
    checking = Faults(Path(path).name, code="AKC0385")
    shape, layers = table.get("input"), table.get("layer", [])
    if not (isinstance(shape, list) and shape and all(type(n) is int and 0 < n < 1 << 24 for n in shape)):
        help = "write input = [784], or [channels, d0, d1]"
        faults.append(Diagnostic(code="AKC0385", message=f"{Path(path).name} has no input shape", help=help))
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        faults.append(Diagnostic(code="AKC0385", message=f"{Path(path).name} has no [[layer]]"))
        layers = []
    entries = [_entry(layer, index, faults, checking) for index, layer in enumerate(layers)]
    faults += checking.found
    if faults:
        raise DiagnosticError(faults)
    return Topology(input=tuple(shape or ()), layers=tuple(e for e in entries if e is not None))


DEEPEST = 100
"""Brackets inside each other; tomllib reads them by recursion."""
LONGEST_NUMBER = 4000
"""Digits of a number; Python reads no longer ones."""


def _table(path: str) -> dict[str, Any]:
    text, name = read_text(path), Path(path).name
    depth = deepest = 0
    for sign in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if sign in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    keys = (line.partition("=")[0] for line in text.splitlines())
    dots = max((key.count(".") for key in keys if "," not in key), default=0)
    if max(deepest, dots) > DEEPEST:
        raise error("AKC0959", f"{name} nests {max(deepest, dots)} levels deep", help="a topology nests two levels")
    if re.search(rf"[0-9_]{{{LONGEST_NUMBER}}}", text):
        raise error("AKC0385", f"{name} has a number of more than {LONGEST_NUMBER} digits", help="write a shorter one")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as fault:
        raise error("AKC0385", f"{name} is no TOML: {fault}") from None


def _entry(layer: dict[str, Any], index: int, faults: list[Diagnostic], checking: Faults) -> LayerEntry | None:
    words = {key: taken(Word(), layer[key], f"layer/{index}/{key}", checking) for key in NAMES if key in layer}
    if None in words.values():
        return None
    written = words.get("type", "")
    name, word = words.get("name", written or str(index)), written.lower()
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
    rules = LAYER_TYPES[kind]
    unknown = sorted(set(layer) - set(rules) - set(NAMES))
    if unknown:
        message = f"layer '{name}' ({kind}) has no option {', '.join(unknown)}"
        faults.append(Diagnostic(code="AKC0385", message=message, help=f"it takes {', '.join((*NAMES, *rules))}"))
    options = {
        key: taken(rules[key], value, f"layer/{index}/{key}", checking) for key, value in layer.items() if key in rules
    }
    return LayerEntry(type=kind, name=name, options=options)


NAMES = ("name", "type")
