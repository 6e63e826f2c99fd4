# SPDX-License-Identifier: Apache-2.0
"""What the verbs of the command line do that need a device or the emulator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict
from rich.console import Console
from rich.table import Table

from akc.base.diagnostics import error
from akc.base.stopping import unwinding
from akc.cli.session import print_json, progress_bar, say
from akc.compiler.compiler import build
from akc.compiler.pipeline import Context
from akc.compiler.program import Program, load
from akc.compiler.samples import SampleSet, load_samples
from akc.compiler.source_files import check_files
from akc.devices.kit import make_kit, run_kit
from akc.devices.learned import learning_layer
from akc.devices.opening import list_devices, open_device, run_on
from akc.devices.runner import DeviceRunner
from akc.devices.verification import verify as compare_with_simulator
from akc.sim.run import Runner


def devices(as_json: bool) -> None:
    """What there is, which Linux driver holds it, and what keeps it from working."""
    if as_json:
        print_json([asdict(row) for row in list_devices()])
        return
    table = Table("--on", "what", "where", "driver", "problem", "what to do")
    for row in list_devices():
        table.add_row(row.on, row.what, row.where, row.driver, row.problem, row.help)
    Console(markup=False).print(table)


def run(file: str, inputs: str, on: str, raw: bool, batch: int, clock: bool) -> dict[str, Any]:
    """Outputs of a built network on a device, by name."""
    program = _load(file)
    runner = Runner(program.module)
    samples = load_samples(inputs, runner.raw_entries if raw else program.module.net.inputs)
    with unwinding(), open_device(on, _progress(on), target=program.target) as device:
        if clock:
            device.set_clock_counter(True)
        outputs = run_on(device, program, samples.inputs, raw, batch)
        if clock:
            say(f"clock cycles counted for the last batch: {device.read_clock_counter()}")
    return outputs


@contextmanager
def opened(file: str, on: str, batch: int, clock: bool, remember: bool) -> Iterator[DeviceRunner]:
    """A built network on a device that stays open; `remember`: as for Runner, where anything is remembered."""
    program = _load(file)
    remember = remember and bool(Runner(program.module).states)
    with open_device(on, target=program.target) as device:
        if clock:
            device.set_clock_counter(True)
        yield DeviceRunner(device.driver, program, batch, remember)
        if clock:
            say(f"clock cycles counted for the last batch: {device.read_clock_counter()}")


def verify(file: str, inputs: str, on: str, batch: int, as_json: bool) -> None:
    """Integers of a device beside the simulator's; a difference is a fault."""
    program = _load(file)
    samples = load_samples(inputs, program.module.net.inputs)
    with unwinding(), open_device(on, _progress(on), target=program.target) as device:
        result = compare_with_simulator(device, program, samples.inputs, batch)
    if as_json:
        print_json({"on": on, "equal": result.equal, **asdict(result)})
    result.check()
    for sequence in () if as_json else result.sequences:
        print(f"@{sequence.sequence}: {sequence.samples} samples, {sequence.values} values, all equal on {on}")


def kit(folder: str, on: str | None, as_json: bool) -> None:
    """Write a kit for an owner of a chip, or run one."""
    if on is None:
        names = make_kit(folder)
        words = f"{folder}: {len(names)} networks ({', '.join(names)}); README.md says how to run them"
        print_json({"folder": folder, "networks": names}) if as_json else print(words)
        return
    with unwinding():
        results = run_kit(folder, on, _progress(on))
    if as_json:
        print_json({"on": on, "equal": all(r.equal for r in results), "networks": [asdict(r) for r in results]})
    for result in () if as_json else results:
        told = result.fault or f"{result.values} values, {result.differing} differ"
        print(f"{result.network}: {'equal' if result.equal else 'DIFFERENT'}, {told}")
    if not all(result.equal for result in results):
        raise error(
            "AKC0812",
            f"{sum(not r.equal for r in results)} of {len(results)} networks differ",
            help=f"send {Path(folder) / 'answers'} back",
        )


def learn(file: str, inputs: str, on: str, output: str) -> None:
    """Edge learning, sample by sample; writes the network with the weights that the device then holds."""
    check_files([file, inputs], [output])
    program = _load(file)
    samples = load_samples(inputs, program.module.net.inputs)
    learned = _learned(program, samples) if on == "simulator" else _learned_on(on, program, samples)
    learned.save(output)
    found = learning_layer(learned.module)
    assert found is not None
    _, layer = found
    before, after = (p.module.array(layer.weights) for p in (program, learned))
    changed = int((before != after).any(axis=1).sum())
    say(f"{output}: {samples.count} samples, {changed} of {len(after)} units of %{layer.name} changed")


def _learned_on(on: str, program: Program, samples: SampleSet) -> Program:
    with unwinding(), open_device(on, _progress(on), target=program.target) as device:
        device.program(program, learning=True)
        device.fit(samples.inputs, samples.labels)
        return device.learned()


def _learned(program: Program, samples: SampleSet) -> Program:
    from akc.sim.learning import fit

    module = fit(program.module, samples.inputs, samples.labels)
    context = Context()  # what it warns of was said when the network was built
    return build(module, program.target, host="allow", engine_version=program.engine_version, context=context)


def bench(file: str, inputs: str, on: str, batch: int, repeat: int, as_json: bool) -> None:
    """Samples per second, the median of `repeat` runs, with the device opened and programmed once."""
    program = _load(file)
    samples = load_samples(inputs, program.module.net.inputs)
    if on == "simulator":
        seconds = _seconds(Runner(program.module), samples, repeat)
    else:
        with unwinding(), open_device(on, target=program.target) as device:
            seconds = _seconds(DeviceRunner(device.driver, program, batch), samples, repeat)
    median = float(np.median(seconds))
    rate = samples.count / median
    if as_json:
        found = {"on": on, "samples": samples.count, "seconds": seconds, "median": median, "samples_a_second": rate}
        print_json(found)
    else:
        print(f"{on}: {samples.count} samples in {median:.4f} s (median of {repeat}), {rate:.0f} a second")


def _seconds(runner: Runner, samples: SampleSet, repeat: int) -> list[float]:
    """Of each run; the bar moves between runs, as telling takes time, too."""
    bar, seconds = progress_bar(), []
    for number in range(repeat):
        bar(number, repeat, f"run {number + 1} of {repeat}")
        start = time.perf_counter()
        runner.run(samples.inputs)
        seconds.append(time.perf_counter() - start)
    bar(repeat, repeat, "measured")
    return seconds


def _load(file: str) -> Program:
    if not file.endswith(".akd"):
        raise error("AKC0908", f"a device runs a built network, {file} is none", help=f"akc build {file} -o net.akd")
    return load(file)


def _progress(what: str) -> Any:
    """A progress callback of (done, total) that names the device."""
    bar = progress_bar()
    return lambda done, total: bar(done, total, what)
