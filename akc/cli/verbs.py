# SPDX-License-Identifier: Apache-2.0
"""What the verbs of the command line do; each takes the options of its namesake in `akc.cli.main`."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

import numpy as np

from akc.base.diagnostics import error
from akc.base.files import PathLike, read_bytes, read_text
from akc.base.products import write_bytes, write_products, write_text
from akc.cli.session import print_json, print_warnings, progress_bar, say, shown
from akc.compiler import compiler
from akc.compiler.pipeline import Context, changed_options
from akc.compiler.program import Program, from_bytes
from akc.compiler.running import refuse_elided
from akc.compiler.samples import load_samples
from akc.compiler.source_files import check_files
from akc.compiler.sources import SOURCES, Options, read_source
from akc.ir.levels import level_of, reaches
from akc.ir.module import Array, Module
from akc.ir.parser import parse
from akc.ir.printer import print_module


def lower(
    source: str,
    *,
    weights: str,
    output: str,
    timings: bool,
    window: int | None,
    fit: bool,
    pass_options: Any,
    accept: Any,
    **options: Any,
) -> None:
    """A source to quantised text."""
    check_files([source, options["calibrate"], options["tune"], options["topology"]], [output], options["dump_dir"])
    context = Context(progress=progress_bar())
    changed = changed_options(",".join(pass_options))
    for key, value in (("window", window), ("fit", fit)):
        if value:
            changed.setdefault("rate", {})[key] = value
    options["options"] = changed
    if fit:
        options["spikes"] = options["spikes"] or "rate"
    module = _talking(
        context, timings, lambda: compiler.lower(source, accept=tuple(accept), context=context, **options)
    )
    write_text(output, print_module(module, elide=weights == "elide"))


def opt(file: str, *, pipeline: str, output: str, timings: bool, **options: Any) -> None:
    """Passes on a text."""
    check_files([file, options["calibrate"]], [output], options["dump_dir"])
    context = Context(progress=progress_bar())
    module = read_source(file)
    module = _talking(context, timings, lambda: compiler.lower(module, pipeline=pipeline, context=context, **options))
    write_text(output, print_module(module))


def build(
    file: str,
    *,
    output: str | None,
    program: str | None,
    program_info: str | None,
    program_data: str | None,
    fbz: str | None,
    byte_map: str | None,
    timings: bool,
    cut: str | None,
    **options: Any,
) -> None:
    """A text to a program; nothing is written unless everything worked."""
    check_files([file], [output, program, program_info, program_data, fbz, byte_map])
    context = Context(progress=progress_bar())
    module = read_source(file)
    options["cut"] = _cut(file, cut)
    built = _talking(context, timings, lambda: compiler.build(module, context=context, **options))
    products: dict[PathLike, bytes] = {}
    for path, make in (
        (output, built.to_bytes),
        (program, lambda: built.bytes),
        (program_info, lambda: built.info),
        (program_data, lambda: built.data),
        (fbz, lambda: _fbz(built.module)),
        (byte_map, built.map_json),
    ):
        if path is not None:
            products[path] = make()
    write_products(products)
    shown = ", ".join(f"{path} ({len(data)} bytes)" for path, data in products.items() if path != "-")
    say(f"{_summary(built)}{': ' + shown if shown else ''}")
    _say_cut(module, built.module, file, cut)


def _cut(file: str, cut: str | None) -> str:
    """Where to cut a network that the chip takes only in part: the vendor's files are cut in the vendor's way."""
    return cut or ("vendor" if file.endswith(".fbz") else "crossings")


def _say_cut(given: Module, built: Module, file: str, cut: str | None) -> None:
    """How a network that is not on the chip in one piece was cut, where neither its text nor the user says."""
    hosts = [any(str(place) == "host()" for op in block.ops for place in getattr(op, "at", ()))
             for block in built.net.sequences]  # fmt: skip
    if cut is not None or len(hosts) < 2 or reaches(level_of(given), "placed"):
        return
    ways = {"vendor": "as the vendor's tools do", "crossings": "with the fewest crossings between host and chip"}
    taken = _cut(file, None)
    other = "crossings" if taken == "vendor" else "vendor"
    count = f"{len(hosts) - sum(hosts)} sequence(s) on the chip, {sum(hosts)} on the host"
    say(f"{count}: cut {ways[taken]}; --cut={other} cuts {ways[other]}")


def _fbz(module: Module) -> bytes:
    from akc.fbz import write

    return write(module)


def _summary(built: Program) -> str:
    layers = [op for sequence in built.module.net.sequences for op in sequence.ops]
    places = sum(len(getattr(op, "at", ())) for op in layers)
    return f"{len(built.sequences)} sequence(s), {len(layers)} layers on {places} NPs, {built.size} program bytes"


def run(
    file: str, *, inputs: str, output: str | None, raw: bool, on: str, batch: int, clock: bool, as_json: bool
) -> None:
    """A network on samples, on the simulator or on a device."""
    check_files([file, inputs], [output])
    if on == "simulator":
        results = _simulated(file, inputs, raw)
    else:
        from akc.cli import device_verbs

        results = device_verbs.run(file, inputs, on, raw, batch, clock)
    if as_json:
        print_json({name: _as_data(values) for name, values in results.items()})
        return
    if output is None:
        for name, values in results.items():
            print(f"%{name}: {values.dtype}{list(values.shape)}")
            print(np.array2string(values, threshold=200, max_line_width=110))
        return
    _save_arrays(output, results)


def _simulated(file: str, inputs: str, raw: bool) -> dict[str, Array]:
    from akc.sim.run import Runner

    module = read_source(file)
    refuse_elided(module)
    runner = Runner(module, progress=progress_bar())
    samples = load_samples(inputs, runner.raw_entries if raw else module.net.inputs)
    return runner.run(samples.inputs, raw=raw)


def _as_data(values: Array) -> dict[str, Any]:
    """An array as plain data; what is no finite number is null."""
    known = values.astype(object)
    known[~np.isfinite(values)] = None
    return {"dtype": str(values.dtype), "shape": list(values.shape), "values": known.tolist()}


def _save_arrays(path: str, arrays: dict[str, Array]) -> None:
    stream = io.BytesIO()
    if len(arrays) == 1 and not path.endswith(".npz"):
        np.save(stream, next(iter(arrays.values())))
    else:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    write_bytes(path, stream.getvalue())


def compare(file: str, source: str, *, inputs: str, example: Any, as_json: bool, html: str | None) -> None:
    """A lowered network beside its float source."""
    from akc.sim.compare import compare

    check_files([file, source, inputs], [html])
    module, reference = read_source(file), read_source(source, Options(example=tuple(example)))
    refuse_elided(module)
    samples = load_samples(inputs, reference.net.inputs)
    result = compare(module, reference, samples.inputs, samples.labels, progress=progress_bar())
    if html is not None:
        from akc.html.report import comparison_html

        _write_page(html, comparison_html(module, result, samples, {file: "the network", source: "the source"}))
    if as_json or html is None:
        print_json(result.to_dict()) if as_json else print(result.to_text())


def report(
    file: str,
    *,
    target: str,
    place: str,
    cut: str | None,
    as_json: bool,
    host: str,
    html: str | None,
    inputs: str | None,
    against: str | None,
    example: Any,
    road: str | None,
) -> None:
    """The report of a placed network."""
    from akc.html.report import make_report

    check_files([file, inputs, against], [html])
    context = Context(steps=None if html is None else [], progress=progress_bar())
    built = _built(file, target, cut, context, place=place, host=host)
    files = {
        name: what for name, what in ((file, "the network"), (inputs, "the samples"), (against, "the source")) if name
    }
    found = make_report(
        built,
        inputs=inputs,
        against=against,
        example=example,
        road=road,
        steps=context.steps,
        files=files,
        progress=context.progress,
    )
    if html is not None:
        _write_page(html, found.to_html())
    if as_json:
        print_json(found.to_dict())
    elif html is None:
        print(found.to_text())


def _write_page(file: str, html: str) -> None:
    write_text(file, html)
    if file != "-":
        say(f"{file} ({len(html.encode())} bytes)")


def _built(file: str, target: str, cut: str | None, context: Context, **options: str) -> Program:
    if file.endswith(".akd"):
        return from_bytes(read_bytes(file), shown(file))
    module = read_source(file)
    options["cut"] = _cut(file, cut)
    built: Program = _talking(context, False, lambda: compiler.build(module, target, context=context, **options))
    _say_cut(module, built.module, file, cut)
    return built


def disasm(file: str, output: str) -> None:
    """Programs as text."""
    from akc.targets import target_of

    check_files([file], [output])
    texts = [
        (f"// sequence @{name}\n" if name else "") + target_of(data).disassemble(data) for name, data in _programs(file)
    ]
    write_text(output, "\n".join(texts))


def diff(first: str, second: str, as_json: bool) -> None:
    """The difference of two programs; exit code 1 if there is one."""
    from akc.targets import target_of

    pairs = list(zip(_programs(first), _programs(second), strict=False))
    counts = [len(_programs(first)), len(_programs(second))]
    equal = counts[0] == counts[1] and all(a == b for (_, a), (_, b) in pairs)
    told = [
        {"sequence": name, "equal": a == b, "difference": target_of(a).explain(a, b)} for (name, a), (_, b) in pairs
    ]
    if as_json:
        print_json({"equal": equal, "counts": counts, "sequences": [_in_lines(row) for row in told]})
    else:
        for row in told:
            print(f"sequence @{row['sequence']}\n{row['difference']}" if len(pairs) > 1 else row["difference"])
        if counts[0] != counts[1]:
            print(f"{first} has {counts[0]} sequences, {second} has {counts[1]}")
    if not equal:
        sys.exit(1)


def _in_lines(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its difference line by line; none where programs are equal."""
    return {**row, "difference": [] if row["equal"] else row["difference"].splitlines()}


def _programs(file: str) -> list[tuple[str, bytes]]:
    """Name and bytes of each program in a .akd file, or the bare program."""
    data = read_bytes(file)
    if data[:2] == b"PK":
        return [(s.sequence, s.bytes) for s in from_bytes(data, shown(file)).sequences]
    if not data:
        raise error("AKC0909", f"{shown(file)} is empty", help=_BUILD_ONE)
    other = next((k for k in SOURCES if k.suffix not in (".akd", ".bin") and file.endswith(k.suffix)), None)
    if other is not None:
        raise error("AKC0909", f"{file} is {other.what}, not a program", help=_BUILD_ONE)
    return [("", data)]


_BUILD_ONE = "akc build net.akir -o net.akd, or --program net.bin, writes a program"


REPORTING = ("quantised as trained", "train-readout", "rate", "fit-rate", "calibration", "tuning")
"""Reports that are told."""


def _talking(context: Context, timings: bool, work: Any) -> Any:
    """Do the work, then print its warnings, faults or not, and its timings."""
    start = time.perf_counter()
    try:
        return work()
    finally:
        whole = time.perf_counter() - start
        print_warnings(context.warnings)
        for name in REPORTING:
            if name in context.reports:
                say(f"{name}: {context.reports[name]}")
        if line := context.checks.line():
            say(line)
        if timings:
            beside = ("reading, checking, comparing", whole - sum(seconds for _, seconds in context.timings))
            for name, seconds in (*context.timings, beside):
                say(f"{seconds * 1000:9.1f} ms {seconds / whole:6.1%}  {name}")


def check_against(file: str, source: str, *, inputs: str | None, example: Any, readout: str | None) -> str:
    """A text that is not quantised yet beside the source that it was made from; what was proved, in a line."""
    from akc.compiler.checks.by_hand import against

    module = parse(read_text(file), shown(file))
    refuse_elided(module)
    if reaches(level_of(module), "quantised"):
        help = f"akc compare {file} {source} -i x.npz says how near its levels come"
        raise error("AKC0723", f"{shown(file)} is quantised, so its answers are not the source's", help=help)
    samples = None if inputs is None else load_samples(inputs, module.net.inputs).inputs
    return against(module, source, samples, example, readout)
