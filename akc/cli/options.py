# SPDX-License-Identifier: Apache-2.0
"""Options that verbs share, the forms of their values, and what shells complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from re import fullmatch
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from akc.cli.session import closest

F = TypeVar("F", bound=Callable[..., Any])


class Listed(click.ParamType):  # type: ignore[type-arg]
    """A word of a list that is made when it is needed, so that `akc --help` stays light."""

    name = "word"

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self.words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """`[vendor|compact]`."""
        return f"[{'|'.join(self.words())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word; a usage error with all of them where it is none."""
        known = list(self.words())
        if value not in known:
            self.fail(_unknown(value, known), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that start so."""
        return [CompletionItem(word) for word in self.words() if word.startswith(incomplete)]


class OneOf(click.Choice):  # type: ignore[type-arg]
    """A word of a few."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word; a usage error with all of them where it is none."""
        if value not in self.choices:
            self.fail(_unknown(value, self.choices), param, ctx)
        return super().convert(value, param, ctx)


def _unknown(value: Any, known: Iterable[str]) -> str:
    near = closest(str(value), known)
    return f"{value!r} is none of {', '.join(known)}" + (f"; {near}" if near else "")


def _targets() -> Iterable[str]:
    from akc.targets import target_names

    return target_names()


def _places() -> Iterable[str]:
    from akc.targets import load_target, target_names

    return dict.fromkeys(mode for name in target_names() for mode in load_target(name).modes)


def _cuts() -> Iterable[str]:
    from akc.targets import load_target, target_names

    return dict.fromkeys(cut for name in target_names() for cut in load_target(name).cuts)


def shape(text: str) -> tuple[int, ...]:
    """`1,1,28,28`: comma-separated whole numbers."""
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no shape; write it as 1,1,28,28") from None


def limits(text: str) -> tuple[float, float]:
    """`-0.42,2.82`: two numbers, the smaller first."""
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no range; write it as 0,1") from None
    if not isfinite(low) or not isfinite(high):
        raise click.BadParameter(f"{text!r} has no end; give two finite numbers")
    if low >= high:
        raise click.BadParameter(f"{text!r} ends before it starts")
    return low, high


def version(text: str) -> str:
    """`2.19.3`: three whole numbers."""
    if fullmatch(r"\d+\.\d+\.\d+", text) is None:
        raise click.BadParameter(f"{text!r} is no version; write it as 2.19.3")
    return text


FILE = click.Path(readable=False, allow_dash=True)
"""A file name, which shells complete; what is wrong with a file is said by akc.base.files."""


def complete_pass(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of passes, for the last one of a pipeline."""
    from akc.passes import known_passes

    *before, last = incomplete.split(",")
    return [",".join([*before, name]) for name in known_passes() if name.startswith(last)]


def complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Diagnostic codes."""
    from akc.base.codes import CODES

    return [code for code in CODES if code.startswith(incomplete.upper())]


def option_group(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, for verbs that share them."""

    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


TARGET = click.option("-t", "--target", type=Listed(_targets), default="akd1000", show_default=True, help="The chip.")
OUTPUT = click.option(
    "-o", "--output", default="-", type=FILE, metavar="FILE", help="Where the product goes; - is stdout."
)
HOST = click.option(
    "--host",
    type=OneOf(["refuse", "allow"]),
    default="refuse",
    show_default=True,
    help="Whether layers that the chip does not take may run on the host.",
)
PLACE = click.option(
    "--place", type=Listed(_places), default="vendor", show_default=True, help="How layers get their NPs."
)
CUT = click.option(
    "--cut",
    type=Listed(_cuts),
    help="With --host=allow, where to cut: fewest crossings"
    " between host and chip (default), or as the vendor's tools do (default for .fbz files).",
)
PIPELINE = click.option(
    "-p",
    "--pipeline",
    metavar="PASSES",
    shell_complete=complete_pass,
    help="Passes, such as 'fold-batchnorm,lower-int4{weights=4}'.",
)
DUMP = click.option(
    "--dump-dir", type=FILE, metavar="DIR", help="Write NN-pass.akir after each pass that changed the text."
)
TIMINGS = click.option("--timings", is_flag=True, help="Print how long each pass took, and its share of the whole.")
SAMPLES = click.option(
    "-i", "--input", "inputs", required=True, type=FILE, metavar="X.npy|X.npz", help="Inputs, batch axis first."
)
CALIBRATE = option_group(
    click.option(
        "--calibrate",
        type=FILE,
        metavar="X.npz",
        help="Samples: arrays named like the inputs, `labels` if there are any.",
    ),
    click.option("--input-range", type=limits, metavar="LO,HI", help="Smallest and largest input value."),
)


BATCH = click.option(
    "--batch",
    type=click.IntRange(1, 16),
    default=16,
    show_default=True,
    metavar="N",
    help="Samples that a device works on at once.",
)

SPIKING = option_group(
    click.option("--steps", type=click.IntRange(1), metavar="T", help="Spiking: number of time steps."),
    click.option("--dt", type=float, metavar="S", help="Spiking: length of a step in seconds."),
    click.option(
        "--coding", type=OneOf(["direct", "spikes"]), help="Spiking: a constant input, or one with a time axis."
    ),
    click.option(
        "--readout",
        type=OneOf(["count", "membrane", "max", "last", "none"]),
        help="Spiking: how the answer is read.",
    ),
    click.option("--reset", type=OneOf(["subtract", "zero", "none"]), help="Spiking: in place of what the file says."),
    click.option("--producer", metavar="NAME", help="Spiking: which tool wrote a NIR file."),
    click.option("--topology", type=FILE, metavar="784-256-10|F.toml", help="Spiking: the layers of a weights file."),
    click.option("--accept", multiple=True, metavar="REASON", help="Spiking: accept what a refusal named."),
    click.option(
        "--spikes",
        type=OneOf(["rate", "step", "hybrid"]),
        help="Spiking: one pass a window, a step, or neurons on the host.",
    ),
    click.option("--window", type=click.IntRange(1), metavar="K", help="Spiking: number of windows of --spikes=rate."),
    click.option("--fit", is_flag=True, help="Spiking: fit the rates of unusual neurons to the samples."),
)
STREAM = option_group(
    click.option("--stream", is_flag=True, help="Read inputs from a pipe and answer them as they come."),
    click.option(
        "--bin",
        type=click.FloatRange(0, min_open=True),
        metavar="US",
        help="Stream of events: microseconds of a time step.",
    ),
    click.option(
        "--fresh", is_flag=True, help="Stream: neurons on the host start at rest in every window; else they go on."
    ),
)
TUNE = click.option(
    "--tune",
    type=FILE,
    metavar="X.npz",
    help="Samples to train on in the chip's integers, by what the source answers.",
)
TUNING = option_group(
    click.option(
        "-i",
        "--input",
        "inputs",
        type=FILE,
        required=True,
        metavar="X.npz",
        help="Samples to train on: arrays named like the inputs, `labels` if there are any.",
    ),
    click.option("--labels", is_flag=True, help="Train by the labels, not by a source's answers."),
    click.option("--distill", type=FILE, metavar="SOURCE", help="Train by what this network answers."),
    click.option(
        "--start", type=FILE, metavar="FLOAT.akir", help="The text in front of lower-int4 (--dump-dir leaves it)."
    ),
    click.option("--epochs", type=click.IntRange(1), help="Passes over the samples.  [default: 900 steps, 6 at least]"),
    click.option(
        "--rate", type=click.FloatRange(0, min_open=True), help="Learning rate.  [default: 5e-3; 2e-3 at 4 bits]"
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the order of the samples."),
    click.option(
        "--hold",
        type=click.FloatRange(0, 0.9, min_open=True),
        default=0.1,
        show_default=True,
        help="Share of the samples that choose the epoch, 2000 at most.",
    ),
    click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so many, behind an epoch."),
)
LEAST = click.option(
    "--least",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Refuse a calibrated network with fewer of its source's answers.  [default: 0.8]",
)
PASS_OPTIONS = click.option(
    "-O",
    "--option",
    "pass_options",
    multiple=True,
    metavar="PASS{KEY=VALUE}",
    help="Options for passes of the pipeline, such as 'drop-lstm{by=mean}'; `akc passes PASS` lists them.",
)
CHECK = click.option(
    "--check",
    type=OneOf(["off", "quick", "full"]),
    default="quick",
    show_default=True,
    help="How much is proved: the source against what was read, each pass, the program against the text.",
)
EXAMPLE = click.option(
    "--example",
    type=shape,
    multiple=True,
    metavar="SHAPE",
    help="Shape of an example input with its batch axis: for PyTorch sources, and for ONNX files with open axes. Once"
    " for each input.",
)
WEIGHTS = click.option(
    "--weights",
    type=OneOf(["inline", "elide"]),
    default="inline",
    show_default=True,
    help="Whether the text holds the numbers, or digests of them.",
)
ENGINE_VERSION = click.option(
    "--engine-version",
    type=version,
    metavar="V",
    help="Version of the vendor's engine that the program is for.",
)
HTML = click.option("--html", type=FILE, metavar="FILE", help="Write one page of HTML that needs nothing from outside.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ON_DEVICE = click.option("--on", metavar="NAME", help="emulator, /dev/akida0 or vfio:0000:01:00.0.")
