# SPDX-License-Identifier: Apache-2.0
"""The command line. stdout carries only the product, stderr the talk.

Exit codes: 0 done, 1 the input is at fault, 2 usage, 3 a bug of akc (with a crash file).
One function a verb, no logic: what a verb does lives in the package, and loads only when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from akc import __version__
from akc.cli.group import Verbs
from akc.cli.options import (
    BATCH,
    CALIBRATE,
    CHECK,
    CUT,
    DUMP,
    ENGINE_VERSION,
    EXAMPLE,
    FILE,
    HOST,
    HTML,
    JSON,
    LEAST,
    ON_DEVICE,
    OUTPUT,
    PASS_OPTIONS,
    PIPELINE,
    PLACE,
    SAMPLES,
    SPIKING,
    STREAM,
    TARGET,
    TIMINGS,
    TUNE,
    TUNING,
    WEIGHTS,
    complete_code,
    complete_pass,
)


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


@cli.command()
@click.argument("source", type=FILE, metavar="SOURCE")
@TARGET
@SPIKING
@EXAMPLE
@CALIBRATE
@TUNE
@LEAST
@HOST
@PIPELINE
@PASS_OPTIONS
@CHECK
@DUMP
@TIMINGS
@WEIGHTS
@OUTPUT
def lower(source: str, **options: Any) -> None:
    """Import a network and lower it to integers.

    SOURCE is an .onnx file, file.py:factory (PyTorch, snnTorch, Norse), weights (.pt, .safetensors), .nir, lava's
    .net, an .fbz file, .akir text, an .akd file or a program (.bin).
    """
    from akc.cli import verbs

    verbs.lower(source, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@TUNING
@EXAMPLE
@OUTPUT
def tune(file: str, **options: Any) -> None:
    """Train a quantised network in the chip's own integers.

    The text goes in and the text comes out, with other weights, thresholds and steps. The network as it was is kept
    unless another one does better on samples held out by more than a standard error. Ctrl-C keeps the best so far.
    """
    from akc.cli import tuning_verbs

    tuning_verbs.tune(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@PIPELINE
@TARGET
@CALIBRATE
@HOST
@CHECK
@DUMP
@TIMINGS
@OUTPUT
def opt(file: str, **options: Any) -> None:
    """Run passes on a text."""
    from akc.cli import verbs

    if options["pipeline"] is None:
        raise click.UsageError("-p says which passes to run; `akc passes` lists them")
    verbs.opt(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@TARGET
@click.option("--against", type=FILE, metavar="SOURCE", help="Run this source and compare its results with the text's.")
@click.option("-i", "--input", "inputs", type=FILE, metavar="X.npy|X.npz", help="With --against: inputs to run on.")
@EXAMPLE
@click.option("--readout", metavar="HOW", help="With --against: how the source's results of all steps are read.")
@JSON
def check(file: str, target: str, against: str | None, as_json: bool, **options: Any) -> None:
    """Check a text, all faults at once.

    Syntax, names and types; where it is quantised, also the chip's limits. With --against, whether it gives the same
    answers as the network that it was made from; `akc compare` holds a quantised text against its source.
    """
    from akc.cli import text_verbs

    def held(source: str) -> str:
        from akc.cli import verbs

        return verbs.check_against(file, source, **options)

    text_verbs.check(file, target, None if against is None else lambda: held(against), as_json)


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
    from akc.cli import text_verbs

    text_verbs.fmt(file, output, only_check)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--onnx", type=FILE, metavar="FILE", required=True, help="Where the ONNX model goes.")
def export(file: str, onnx: str) -> None:
    """Write a text as an ONNX model of standard operators.

    A quantised network gives the chip's integers in any ONNX runtime.
    """
    from akc.cli.export import export

    export(file, onnx)


@cli.command()
@click.argument("name", shell_complete=complete_pass, required=False)
@JSON
def passes(name: str | None, as_json: bool) -> None:
    """List the passes, or the options of one."""
    from akc.cli import text_verbs

    text_verbs.passes(name, as_json)


@cli.command()
@click.argument("code", shell_complete=complete_code, required=False)
@JSON
def explain(code: str | None, as_json: bool) -> None:
    """Explain a diagnostic code, such as AKC0203.

    Without a code, list them all.
    """
    from akc.cli import text_verbs

    text_verbs.explain(code, as_json)


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
@ENGINE_VERSION
@CHECK
@TIMINGS
def build(file: str, **options: Any) -> None:
    """Place a network and assemble the chip's program.

    What is not lowered yet is lowered with defaults.
    """
    from akc.cli import verbs

    if not any(options[key] for key in ("output", "program", "program_info", "program_data", "fbz", "byte_map")):
        options["output"] = str(Path(file).with_suffix(".akd")) if file != "-" else "-"
    verbs.build(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@click.option(
    "-i", "--input", "inputs", type=FILE, metavar="X.npy|X.npz", help="Inputs, batch axis first; a stream: stdin."
)
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
@STREAM
@JSON
def run(file: str, stream: bool, bin: float | None, fresh: bool, **options: Any) -> None:
    """Run a network on the simulator or a device.

    FILE is an .akd file, or .akir text of any level. With --stream, inputs are .npy arrays one after the other, events
    as lines t,x,y,p, or AEDAT 4, and each answer is written as soon as it is there.
    """
    from akc.cli import stream as streaming
    from akc.cli import verbs

    if options["as_json"] and options["output"] is not None:
        raise click.UsageError("--json prints the outputs, -o writes them to a file")
    if options["clock"] and options["on"] == "simulator":
        raise click.UsageError("--clock counts the cycles of a device; name one with --on")
    if stream:
        if options.pop("as_json"):
            raise click.UsageError("--json prints all outputs at once, --stream each as it comes")
        streaming.run(file, bin, fresh, **options)
        return
    if bin is not None or fresh:
        raise click.UsageError("--bin and --fresh are for a stream: add --stream")
    if options["inputs"] is None:
        raise click.UsageError("Missing option '-i' / '--input'.")
    verbs.run(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@click.argument("source", type=FILE, metavar="SOURCE")
@SAMPLES
@EXAMPLE
@JSON
@HTML
def compare(file: str, source: str, **options: Any) -> None:
    """Compare a lowered network with its source, layer by layer.

    SOURCE is the float network that it came from.
    """
    from akc.cli import verbs

    verbs.compare(file, source, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@TARGET
@PLACE
@CUT
@click.option("-i", "--input", "inputs", type=FILE, metavar="X.npy|X.npz", help="Samples: what the layers do on them.")
@click.option("--against", type=FILE, metavar="SOURCE", help="The source of the network: its accuracy on the samples.")
@EXAMPLE
@click.option("--road", type=FILE, metavar="DIR", help="With --html: the folder of `akc lower --dump-dir`.")
@JSON
@HTML
@HOST
def report(file: str, **options: Any) -> None:
    """Show what stands where, what it takes, and how well it does.

    With --html a page to look at: the network, the mesh, layers, activity, accuracy, the text, the passes.
    """
    from akc.cli import verbs

    verbs.report(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@OUTPUT
def disasm(file: str, output: str) -> None:
    """Show a program (.bin, .akd) as text.

    Passes, records, NPs, registers, weights.
    """
    from akc.cli import verbs

    verbs.disasm(file, output)


@cli.command()
@click.argument("first", type=FILE, metavar="FIRST")
@click.argument("second", type=FILE, metavar="SECOND")
@JSON
def diff(first: str, second: str, as_json: bool) -> None:
    """Say in words how two programs differ.

    FIRST and SECOND are .bin or .akd files. Exit code 1 if they differ.
    """
    from akc.cli import verbs

    verbs.diff(first, second, as_json)


@cli.command()
@JSON
def devices(as_json: bool) -> None:
    """List devices, and what keeps each from working.

    For each: the Linux driver that holds it, and what to do about a problem.
    """
    from akc.cli import device_verbs

    device_verbs.devices(as_json)


@cli.command()
@JSON
def doctor(as_json: bool) -> None:
    """Look at this machine: Python, packages, devices, space.

    For each thing that is missing or in the way, what to do. Exit code 1 if akc cannot work as it is.
    """
    from akc.cli import doctor

    doctor.doctor(as_json)


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
@JSON
def verify(file: str | None, inputs: str | None, on: str | None, batch: int, kit: str | None, as_json: bool) -> None:
    """Compare a device's integers with the simulator's.

    Names the first layer and neuron that differ.
    """
    from akc.cli import device_verbs

    if kit is not None:
        device_verbs.kit(kit, on, as_json)
    elif file is None or inputs is None:
        raise click.UsageError("give a built network and -i inputs, or --kit DIR")
    else:
        device_verbs.verify(file, inputs, on or "emulator", batch, as_json)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@SAMPLES
@click.option("--on", default="emulator", show_default=True, metavar="NAME", help="As for run.")
@click.option("-o", "--output", required=True, type=FILE, metavar="FILE", help="The .akd file with what was learned.")
def learn(file: str, **options: Any) -> None:
    """Let the last layer of a network learn.

    FILE is a built network, which learns on a device or the simulator; `labels` in the .npz file of the inputs are
    the classes.
    """
    from akc.cli import device_verbs

    device_verbs.learn(file, **options)


@cli.command()
@click.argument("file", type=FILE, metavar="FILE")
@SAMPLES
@click.option("--on", default="simulator", show_default=True, metavar="NAME", help="As for run.")
@BATCH
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Runs; the median counts.")
@JSON
def bench(file: str, **options: Any) -> None:
    """Measure how many samples a second a network takes."""
    from akc.cli import device_verbs

    device_verbs.bench(file, **options)


@cli.command()
@TARGET
def lsp(target: str) -> None:
    """Serve an editor: faults as one types, hover, completion, rename.

    An editor starts it and speaks with it through stdin and stdout (docs/editors.md).
    """
    from akc.cli.editor import lsp

    lsp(target)


def main() -> int:
    """Run the command line; gives the exit code (akc.cli.entry starts it)."""
    from akc.cli.session import guarded

    return guarded(lambda: cli(standalone_mode=True, prog_name="akc"))
