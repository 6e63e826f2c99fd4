# SPDX-License-Identifier: Apache-2.0
"""What every verb has: --quiet, examples below its help, a sign of life on a terminal."""

from __future__ import annotations

import sys
from typing import Any

import click

from akc.cli.session import Quiet, closest, waiting

EXAMPLES: dict[str, tuple[str, ...]] = {
    "lower": (
        "akc lower model.onnx --calibrate samples.npz -o net.akir",
        "akc lower model.py:make_model --example 1,1,28,28 --input-range 0,1 -o net.akir",
        "akc lower net.nir --steps 100 --readout count -o net.akir",
    ),
    "opt": ("akc opt net.akir -p place -o placed.akir",),
    "check": ("akc check net.akir",),
    "fmt": ("akc fmt net.akir", "akc fmt --check net.akir"),
    "export": ("akc export net.akir --onnx integers.onnx",),
    "tune": (
        "akc tune net.akir -i train.npz --distill model.onnx -o tuned.akir",
        "akc lower model.onnx --calibrate samples.npz --tune train.npz -o tuned.akir",
    ),
    "passes": ("akc passes", "akc passes lower-int4"),
    "explain": ("akc explain AKC0203",),
    "build": ("akc build net.akir -o net.akd --map map.json", "akc build net.akir --host allow -o net.akd"),
    "run": (
        "akc run net.akd -i x.npy -o y.npy",
        "akc run net.akd -i x.npy --on emulator",
        "akc run net.akd --stream --bin 1000 -i events.csv",
    ),
    "compare": (
        "akc compare net.akir model.onnx -i samples.npz",
        "akc compare net.akir model.onnx -i samples.npz --html compare.html",
    ),
    "report": (
        "akc report net.akd",
        "akc report net.akir --json",
        "akc report net.akd --html report.html -i samples.npz --against model.onnx",
    ),
    "disasm": ("akc disasm net.akd",),
    "diff": ("akc diff before.bin after.bin",),
    "devices": ("akc devices",),
    "doctor": ("akc doctor", "akc doctor --json"),
    "verify": ("akc verify net.akd -i x.npy --on /dev/akida0", "akc verify --kit folder"),
    "learn": ("akc learn net.akd -i labelled.npz --on simulator -o learned.akd",),
    "lsp": ("akc lsp", "akc lsp --target akd1500"),
    "bench": ("akc bench net.akd -i x.npy",),
}
"""Commands that each `--help` ends with."""


class Verbs(click.Group):
    """The verbs of akc."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a verb, with what all have."""
        verb = name or cmd.name or ""
        help = "Leave out what is only talk: summaries, progress. Warnings and faults stay."
        cmd.params.append(
            click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=_be_quiet, help=help)
        )
        if verb in EXAMPLES:
            cmd.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[verb])
        super().add_command(cmd, name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The verb of a command line; a misspelt one names the nearest, whatever click's version says."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"no such verb '{name}'; {closest(name, self.commands) or '`akc --help` lists them'}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        with waiting(" ".join(["akc", *sys.argv[1:2]])):
            return super().invoke(ctx)


def _be_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    Quiet.on = value
