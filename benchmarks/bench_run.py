# SPDX-License-Identifier: Apache-2.0
"""Samples a second of akc's integer simulator and of its emulator (driver included), on three networks.

    python benchmarks/bench_run.py            # the table of docs/devices.md
    python benchmarks/bench_run.py --quick    # fewer repeats, for a test

Batch 1 hands over one sample after the other, batch 64 all at once. Each number of threads gets a
process of its own, since numerical libraries read it when they start. A number is the fastest of 25
rounds. Numbers are of akc alone: an emulator says nothing about a chip's speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from timing import fastest

THREADS, BATCHES = (1, 2), (1, 64)
SAMPLES = 64


def plans() -> dict[str, Any]:
    """The networks in short (akc.devices.kit.Plan)."""
    from akc.devices.kit import Plan
    from akc.ir.ops import akida

    dense, conv, separable, image = (
        akida.FullyConnected,
        akida.Convolutional,
        akida.SeparableConvolutional,
        akida.InputConvolutional,
    )
    levels: dict[str, Any] = {"act_bits": 4}
    pooled = {**levels, "pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}
    last = {"activation": False}
    return {
        "dense 784-256-10": Plan((1, 1, 784), "u4", ((dense, 256, 1, "i4", levels), (dense, 10, 1, "i4", last))),
        "conv 28x28": Plan(
            (28, 28, 1),
            "u8",
            (
                (image, 16, 3, "i8", levels),
                (conv, 32, 3, "i4", pooled),
                (conv, 32, 3, "i4", levels),
                (dense, 10, 1, "i4", last),
            ),
        ),
        "separable 96x96": Plan(
            (96, 96, 3),
            "u8",
            (
                (image, 16, 3, "i8", {**levels, "stride": (2, 2)}),
                (separable, 32, 3, "i4", pooled),
                (separable, 64, 3, "i4", pooled),
                (separable, 64, 3, "i4", {**levels, "pool": "average"}),
                (dense, 10, 1, "i4", last),
            ),
        ),
    }


def measure(quick: bool) -> list[dict[str, Any]]:
    """Rows of one process: network, engine, batch, samples a second."""
    import numpy as np

    import akc
    from akc.devices.kit import draw_module

    rows = []
    for name, plan in plans().items():
        program = akc.build(draw_module("bench", plan, np.random.default_rng(0)))
        kind = program.module.net.inputs[0].type
        high = (kind.element.high or 0) + 1
        inputs = np.random.default_rng(1).integers(0, high, (SAMPLES, *kind.shape)).astype(np.uint8)
        tasks = {
            (engine, batch): partial(in_batches, run, inputs, batch)
            for engine, run in engines(program).items()
            for batch in BATCHES
        }
        named = {f"{engine} {batch}": task for (engine, batch), task in tasks.items()}
        seconds = fastest(named, 1 if quick else 25)
        for engine, batch in tasks:
            rate = SAMPLES / seconds[f"{engine} {batch}"]
            rows.append({"network": name, "engine": engine, "batch": batch, "rate": rate})
    return rows


def engines(program: Any) -> dict[str, Callable[[Any], Any]]:
    """The simulator, made ready once, and the emulated chip, programmed once."""
    import akc
    from akc.sim.run import Runner

    runner = Runner(program.module, "numpy")
    device = akc.open_device("emulator")
    device.program(program.bytes)
    return {"simulator": lambda inputs: runner.run(inputs, raw=True), "emulator": device.forward}


def in_batches(run: Callable[[Any], Any], inputs: Any, batch: int) -> None:
    """All inputs, `batch` at a time."""
    for start in range(0, len(inputs), batch):
        run(inputs[start : start + batch])


def in_process(threads: int, quick: bool) -> list[dict[str, Any]]:
    """The rows of a process that may use so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, "--rows", *(["--quick"] if quick else [])]
    return list(json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout))


def main() -> None:
    """Print a table in Markdown: samples a second."""
    quick = "--quick" in sys.argv
    if "--rows" in sys.argv:
        print(json.dumps(measure(quick)))
        return
    columns = [(threads, batch) for threads in THREADS for batch in BATCHES]
    rates: dict[tuple[str, str], dict[tuple[int, int], float]] = {}
    for threads in THREADS:
        for row in in_process(threads, quick):
            rates.setdefault((row["network"], row["engine"]), {})[threads, row["batch"]] = row["rate"]
    print("| network | engine | " + " | ".join(f"{t} thread{'s' * (t > 1)}, batch {b}" for t, b in columns) + " |")
    print("|---" * (2 + len(columns)) + "|")
    for (network, engine), found in rates.items():
        print(f"| {network} | {engine} | " + " | ".join(f"{found[c]:.0f}" for c in columns) + " |")


if __name__ == "__main__":
    main()
