# SPDX-License-Identifier: Apache-2.0
"""The command line. stdout carries only the product, stderr the talk.

Exit codes: 0 done, 1 the input is at fault, 2 usage, 3 a bug of akc (with a crash file).
One function a verb, no logic: what a verb does lives in the package, and loads only when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click

from akc import __version__

F = TypeVar("F", bound=Callable[..., Any])

TARGETS = ("akd1000",)
PLACES = ("vendor", "vendor-minimal", "compact")
CUTS = ("crossings", "vendor", "vendor-minimal")


class Shape(click.ParamType[tuple[int, ...]]):
    """`1,1,28,28`."""

    name = "shape"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Comma-separated whole numbers."""
        try:
            return tuple(int(word) for word in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no shape; write it as 1,1,28,28", param, ctx)


class Limits(click.ParamType[tuple[float, float]]):
    """`-0.42,2.82`."""

    name = "lo,hi"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, float]:
        """Two numbers, the smaller first."""
        try:
            low, high = (float(word) for word in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no range; write it as 0,1", param, ctx)
        if not isfinite(low) or not isfinite(high):
            self.fail(f"{value!r} has no end; give two finite numbers", param, ctx)
        if low >= high:
            self.fail(f"{value!r} ends before it starts", param, ctx)
        return low, high


FILE = click.Path(readable=False, allow_dash=True)
"""A file name, which shells complete; what is wrong with a file is said by akc.files."""


def complete_pass(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of passes, for the last one of a pipeline."""
    from akc.passes import PASSES

    *before, last = incomplete.split(",")
    return [",".join([*before, name]) for name in PASSES if name.startswith(last)]


def complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Diagnostic codes."""
    from akc.codes import CODES

    return [code for code in CODES if code.startswith(incomplete.upper())]


def option_group(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, for verbs that share them."""

    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


TARGET = click.option(
    "-t", "--target", type=click.Choice(TARGETS), default="akd1000", show_default=True, help="The chip."
)
OUTPUT = click.option(
    "-o", "--output", default="-", type=FILE, metavar="FILE", help="Where the product goes; - is stdout."
)
HOST = click.option(
    "--host",
    type=click.Choice(["refuse", "allow"]),
    default="refuse",
    show_default=True,
    help="Whether layers that the chip does not take may run on the host.",
)
PLACE = click.option(
    "--place", type=click.Choice(PLACES), default="vendor", show_default=True, help="How layers get their NPs."
)
CUT = click.option(
    "--cut",
    type=click.Choice(CUTS),
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
TIMINGS = click.option("--timings", is_flag=True, help="Print how long each pass took.")
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
    click.option("--input-range", type=Limits(), metavar="LO,HI", help="Smallest and largest input value."),
)


BATCH = click.option(
    "--batch",
    type=click.IntRange(1, 16),
    default=16,
    show_default=True,
    metavar="N",
    help="Samples that a device works on at once.",
)


class Verbs(click.Group):
    """The verbs. click would turn Ctrl-C into its own exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; Ctrl-C ends with exit code 130."""
        from akc.session import INTERRUPTED, say

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise SystemExit(INTERRUPTED) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="akc")
def cli() -> None:
    """akc: trained networks to BrainChip Akida programs, through a text that you can read and edit.

    \b
    akc lower model.onnx > net.akir           import, optimise, quantise
    akc build net.akir -o net.akd             place and assemble
    akc run net.akd -i x.npy -o y.npy         run on the simulator

    FILE may be - for stdin or stdout everywhere.
    """


SPIKING = option_group(
    click.option("--steps", type=click.IntRange(1), metavar="T", help="Spiking: number of time steps."),
    click.option("--dt", type=float, metavar="S", help="Spiking: length of a step in seconds."),
    click.option(
        "--coding", type=click.Choice(["direct", "spikes"]), help="Spiking: a constant input, or one with a time axis."
    ),
    click.option(
        "--readout",
        type=click.Choice(["count", "membrane", "max", "last", "none"]),
        help="Spiking: how the answer is read.",
    ),
    click.option(
        "--reset", type=click.Choice(["subtract", "zero", "none"]), help="Spiking: in place of what the file says."
    ),
    click.option("--producer", metavar="NAME", help="Spiking: which tool wrote a NIR file."),
    click.option("--topology", type=FILE, metavar="784-256-10|F.toml", help="Spiking: the layers of a weights file."),
    click.option("--accept", multiple=True, metavar="REASON", help="Spiking: accept what a refusal named."),
    click.option(
        "--spikes",
        type=click.Choice(["rate", "step", "hybrid"]),
        help="Spiking: one pass a window, a step, or neurons on the host.",
    ),
    click.option("--window", type=click.IntRange(1), metavar="K", help="Spiking: number of windows of --spikes=rate."),
    click.option("--fit", is_flag=True, help="Spiking: fit the rates of unusual neurons to the samples."),
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


@cli.command()
@click.argument("source", type=FILE, metavar="SOURCE")
@TARGET
@SPIKING
@click.option(
    "--example",
    type=Shape(),
    multiple=True,
    metavar="SHAPE",
    help="Shape of an example input with its batch axis, for PyTorch sources.",
)
@CALIBRATE
@LEAST
@HOST
@PIPELINE
@PASS_OPTIONS
@DUMP
@TIMINGS
@click.option(
    "--weights",
    type=click.Choice(["inline", "elide"]),
    default="inline",
    show_default=True,
    help="Whether the text holds the numbers, or digests of them.",
)
@OUTPUT
def lower(source: str, **options: Any) -> None:
    """Import a network and lower it to integers.

    SOURCE is an .onnx file, file.py:factory (PyTorch, snnTorch, Norse), weights (.pt, .safetensors), .nir, lava's
    .net, an .fbz file, .akir text, an .akd file or a program (.bin).
    """
    from akc import verbs

    verbs.lower(source, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@PIPELINE
@TARGET
@CALIBRATE
@HOST
@DUMP
@TIMINGS
@OUTPUT
def opt(file: str, **options: Any) -> None:
    """Run passes on a text."""
    from akc import verbs

    if options["pipeline"] is None:
        raise click.UsageError("-p says which passes to run; `akc passes` lists them")
    verbs.opt(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@TARGET
def check(file: str, target: str) -> None:
    """Check a text, all faults at once.

    Syntax, names and types; where it is quantised, also the chip's limits.
    """
    from akc import verbs

    verbs.check(file, target)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Where the text goes; default: back into FILE.")
@click.option(
    "--check", "only_check", is_flag=True, help="Change nothing; exit 1 if the text is not in canonical form."
)
def fmt(file: str, output: str | None, only_check: bool) -> None:
    """Rewrite a text in canonical form.

    Comments and unused weights are kept.
    """
    from akc import verbs

    verbs.fmt(file, output, only_check)


@cli.command()
@click.argument("name", shell_complete=complete_pass, required=False)
def passes(name: str | None) -> None:
    """List the passes, or the options of one."""
    from akc import verbs

    verbs.passes(name)


@cli.command()
@click.argument("code", shell_complete=complete_code, required=False)
def explain(code: str | None) -> None:
    """Explain a diagnostic code, such as AKC0203.

    Without a code, list them all.
    """
    from akc import verbs

    verbs.explain(code)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@TARGET
@click.option("-o", "--output", type=FILE, metavar="FILE", help="The .akd file; - is stdout.")
@PLACE
@CUT
@HOST
@click.option("--program", type=FILE, metavar="F", help="Also write the bare program, info and data in one file.")
@click.option("--program-info", type=FILE, metavar="F", help="Also write program_info alone (for program_external).")
@click.option("--program-data", type=FILE, metavar="F", help="Also write program_data alone.")
@click.option("--fbz", type=FILE, metavar="F", help="Also write the vendor's model file.")
@click.option(
    "--map", "byte_map", type=FILE, metavar="F", help="Also write which bytes hold which layer's weights, as JSON."
)
@click.option("--engine-version", metavar="V", help="Version that the vendor's engine compares with its own.")
@TIMINGS
def build(file: str, **options: Any) -> None:
    """Place a network and assemble the chip's program.

    What is not lowered yet is lowered with defaults.
    """
    from akc import verbs

    if not any(options[key] for key in ("output", "program", "program_info", "program_data", "fbz", "byte_map")):
        options["output"] = str(Path(file).with_suffix(".akd")) if file != "-" else "-"
    verbs.build(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@SAMPLES
@click.option("-o", "--output", type=FILE, metavar="Y.npy", help="Outputs; without it they are printed.")
@click.option("--raw", is_flag=True, help="The chip's own integers in and out: levels or potentials.")
@click.option(
    "--on",
    default="simulator",
    show_default=True,
    metavar="NAME",
    help="simulator, emulator, /dev/akida0 or vfio:0000:01:00.0.",
)
@BATCH
@click.option("--clock", is_flag=True, help="Count the device's clock cycles.")
def run(file: str, **options: Any) -> None:
    """Run a network on the simulator or a device.

    FILE is an .akd file, or .akir text of any level.
    """
    from akc import verbs

    if options["clock"] and options["on"] == "simulator":
        raise click.UsageError("--clock counts the cycles of a device; name one with --on")
    verbs.run(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@click.argument("source", type=FILE, metavar="SOURCE")
@SAMPLES
@click.option("--example", type=Shape(), multiple=True, metavar="SHAPE", help="For PyTorch sources, as in lower.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(file: str, source: str, **options: Any) -> None:
    """Compare a lowered network with its source, layer by layer.

    SOURCE is the float network that it came from.
    """
    from akc import verbs

    verbs.compare(file, source, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@TARGET
@PLACE
@CUT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@HOST
def report(file: str, **options: Any) -> None:
    """Show what stands where, and what memory it takes."""
    from akc import verbs

    verbs.report(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@OUTPUT
def disasm(file: str, output: str) -> None:
    """Show a program (.bin, .akd) as text.

    Passes, records, NPs, registers, weights.
    """
    from akc import verbs

    verbs.disasm(file, output)


@cli.command()
@click.argument("first", type=FILE, metavar="FIRST")
@click.argument("second", type=FILE, metavar="SECOND")
def diff(first: str, second: str) -> None:
    """Say in words how two programs differ.

    FIRST and SECOND are .bin or .akd files. Exit code 1 if they differ.
    """
    from akc import verbs

    verbs.diff(first, second)


@cli.command()
def devices() -> None:
    """List devices, and what keeps each from working.

    For each: the Linux driver that holds it, and what to do about a problem.
    """
    from akc import device_verbs

    device_verbs.devices()


ON_DEVICE = click.option("--on", metavar="NAME", help="emulator, /dev/akida0 or vfio:0000:01:00.0.")


@cli.command()
@click.argument("file", type=FILE, metavar="[FILE]", required=False)
@click.option("-i", "--input", "inputs", type=FILE, metavar="X.npy|X.npz", help="Inputs, batch axis first.")
@ON_DEVICE
@BATCH
@click.option(
    "--kit",
    type=FILE,
    metavar="DIR",
    help="Write a folder that an owner of a chip runs and sends back; with --on, run it.",
)
def verify(file: str | None, inputs: str | None, on: str | None, batch: int, kit: str | None) -> None:
    """Compare a device's integers with the simulator's.

    Names the first layer and neuron that differ.
    """
    from akc import device_verbs

    if kit is not None:
        device_verbs.kit(kit, on)
    elif file is None or inputs is None:
        raise click.UsageError("give a built network and -i inputs, or --kit DIR")
    else:
        device_verbs.verify(file, inputs, on or "emulator", batch)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@SAMPLES
@click.option("--on", default="emulator", show_default=True, metavar="NAME", help="As for verify.")
@click.option("-o", "--output", required=True, type=FILE, metavar="FILE", help="The .akd file with what was learned.")
def learn(file: str, **options: Any) -> None:
    """Let the last layer of a built network learn on a device; `labels` in the .npz file are the classes."""
    from akc import device_verbs

    device_verbs.learn(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@SAMPLES
@click.option("--on", default="simulator", show_default=True, metavar="NAME", help="As for run.")
@BATCH
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Runs; the median counts.")
def bench(file: str, **options: Any) -> None:
    """Measure how many samples a second a network takes."""
    from akc import device_verbs

    device_verbs.bench(file, **options)


def main() -> None:
    """Entry point: turns faults into messages and exit codes."""
    from akc.session import guarded

    sys.exit(guarded(lambda: cli(standalone_mode=True, prog_name="akc")))


if __name__ == "__main__":
    main()
