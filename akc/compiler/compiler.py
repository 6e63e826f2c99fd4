# SPDX-License-Identifier: Apache-2.0
"""The two arrows of the compiler: `lower` (a source to quantised text) and `build` (text to a program)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.compiler.pipeline import Context, Pass, parse_pipeline, require_level, run_pipeline
from akc.compiler.program import Program
from akc.compiler.samples import SampleSet, load_samples, match_samples
from akc.compiler.sources import Options, read_source
from akc.ir.levels import level_of, reaches
from akc.ir.module import Module
from akc.ir.verifier import verify_numbers

PassOptions = Mapping[str, Mapping[str, Any]]


def lower(
    source: Any,
    *,
    example: Any = None,
    target: str = "akd1000",
    calibrate: Any = None,
    input_range: tuple[float, float] | None = None,
    pipeline: str | None = None,
    host: str = "refuse",
    dump_dir: str | os.PathLike[str] | None = None,
    options: PassOptions | None = None,
    context: Context | None = None,
    spikes: str | None = None,
    least: float | None = None,
    **spiking: Any,
) -> Module:
    """Import a network and lower it to integers.

    source: a file name (.onnx, .fbz, .akir, file.py:factory ...), an onnx.ModelProto, a torch.nn.Module
    (with example: a tensor, or the shape of one with its batch axis), or a Module. calibrate: a .npz or
    .npy file, an array, or a dict of arrays by input name (`labels` optional). input_range: smallest and
    largest input value. pipeline: passes in place of the default ones. options: values for pass options,
    as {"lower-int4": {"weights": 2}}. least: the smallest share of same answers on samples held out that is
    not refused (0.8); 0 never refuses. context: to collect warnings, notes and timings. spikes: "rate",
    "step" or "hybrid", the way a spiking network takes. spiking: what a spiking source does not say
    itself: steps, dt, coding, readout, reset, producer, topology, accept
    (akc.frontends.spiking.reader.SpikingOptions).
    Raises DiagnosticError with every fault.
    """
    context = context or Context()
    _check_range(input_range)
    module = read_source(source, Options(example=_example(example), spiking=spiking, warn=context.warn))
    faults = [d for d in verify_numbers(module) if d.severity == "error"]
    if faults:
        raise DiagnosticError(faults)
    context.target_name, context.host = target, host
    context.input_range = input_range or context.input_range
    context.dump_dir = Path(dump_dir) if dump_dir is not None else context.dump_dir
    if calibrate is not None:
        samples = samples_for(calibrate, module)
        context.samples, context.labels = samples.inputs, samples.labels
    _warn_of_idle(spikes, pipeline, module, context)
    passes = configured(pipeline if pipeline is not None else default_pipeline(module, context, spikes), options)
    if least is not None:
        passes = [attrs.evolve(p, least=least) if p.name == "fit-rate" else p for p in passes]  # type: ignore[misc]
    lowered = run_pipeline(module, passes, context)
    if pipeline is None:
        from akc.compiler.recipes import LEAST, calibrated

        lowered = calibrated(module, lowered, passes, context, LEAST if least is None else least)
    if pipeline is None and host == "refuse":
        _raise_or_warn(context.target.check(lowered), context)
    return lowered


def _check_range(limits: tuple[float, float] | None) -> None:
    if limits is not None and not (np.isfinite(limits).all() and limits[0] < limits[1]):
        raise error("AKC0905", f"{limits} is no input range", help="two finite numbers, the smaller first: (0, 1)")


def _warn_of_idle(spikes: str | None, pipeline: str | None, module: Module, context: Context) -> None:
    """Warn where a way for spikes was named that nothing takes."""
    from akc.passes.shared.neurons.spikes import is_spiking

    if spikes is not None and (pipeline is not None or not is_spiking(module)):
        what = "a network without spiking neurons" if pipeline is None else "a pipeline of your own"
        context.warn(Diagnostic(code="AKC0911", message=f"--spikes says nothing about {what}", help="leave it out"))


def default_pipeline(module: Module, context: Context, spikes: str | None = None) -> str:
    """The passes that take a module of its level to quantised, ready for placing.

    A spiking network goes the way that `spikes` names, or the one that suits it, which is told as a warning.
    """
    from akc.passes import LOWER, MERGE, SPIKING
    from akc.passes.shared.neurons.spikes import choose_way, is_spiking

    if reaches(level_of(module), "quantised"):
        return MERGE
    if not is_spiking(module):
        return LOWER
    way, reason = (spikes, "") if spikes else choose_way(module, context.host == "allow")
    if reason:
        context.warn(Diagnostic(code="AKC0910", message=f"--spikes={way} was chosen: {reason}"))
    return str(SPIKING[way])


def configured(pipeline: str, options: PassOptions | None) -> list[Pass]:
    """The passes of a pipeline, with option values set; every named pass must be in it."""
    passes = parse_pipeline(pipeline)
    for name in options or {}:
        if all(p.name != name for p in passes):
            names = [p.name for p in passes]
            close = get_close_matches(name, names, n=1, cutoff=0.8)
            help = f"did you mean {close[0]}?" if close else f"it runs {', '.join(names)}"
            raise error("AKC0402", f"the pipeline has no pass {name}", help=help)
    return [attrs.evolve(p, **(options or {}).get(p.name, {})) for p in passes]  # type: ignore[misc]


def build(
    module: Module | str,
    target: str = "akd1000",
    *,
    place: str = "vendor",
    cut: str = "crossings",
    host: str = "refuse",
    engine_version: str | None = None,
    context: Context | None = None,
) -> Program:
    """Place and assemble a module of any level (what is still missing is run with default options).

    module: a Module, or .akir text; place: "vendor", "vendor-minimal" or "compact"; cut: with
    host="allow", where a network that the chip takes only in part is cut: "crossings" (the fewest between
    host and chip), "vendor" or "vendor-minimal" (as the vendor's tools do); engine_version: the version
    that the vendor's engine will compare with its own. Raises DiagnosticError with every fault.
    """
    from akc.ir.parser import parse
    from akc.passes import PLACE

    module = parse(module) if isinstance(module, str) else module
    context = context or Context()
    context.target_name, context.host = target, host
    refuse_elided(module)
    _raise_or_warn(verify_numbers(module), context)
    if not reaches(level_of(module), "quantised"):
        module = run_pipeline(module, default_pipeline(module, context), context)
    module = run_pipeline(module, configured(PLACE, {"place": {"mode": place, "cut": cut}}), context)
    require_level(module, "placed", "the assembler")
    chip = context.target
    return Program(
        module=module,
        sequences=chip.assemble(module, engine_version),
        target=target,
        engine_version=engine_version or chip.engine_version,
    )


def _raise_or_warn(found: list[Diagnostic], context: Context) -> None:
    faults = [d for d in found if d.severity == "error"]
    if faults:
        raise DiagnosticError(faults)
    for warning in found:
        context.warn(warning)


def refuse_elided(module: Module) -> None:
    """Raise DiagnosticError AKC0204 that names every weight whose numbers are elided."""
    names = [name for name, weight in module.weights.items() if weight.elided]
    if names:
        shown = ", ".join(f"#{n}" for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise error(
            "AKC0204",
            f"the numbers of {shown} are elided",
            span=module.weights[names[0]].span,
            help="use the text with its numbers: lower the model again without --weights=elide",
        )


def samples_for(calibrate: Any, module: Module) -> SampleSet:
    """Samples given as a file, an array, a dict by input name or a SampleSet, as those of the module's inputs."""
    if isinstance(calibrate, SampleSet):
        return calibrate
    if isinstance(calibrate, str | os.PathLike):
        return load_samples(calibrate, module.net.inputs)
    arrays = (
        {k: np.asarray(v) for k, v in calibrate.items()}
        if isinstance(calibrate, Mapping)
        else {"": np.asarray(calibrate)}
    )
    return match_samples(arrays, module.net.inputs, "calibrate")


def _example(example: Any) -> Any:
    """Shapes of the example inputs, or the tensors themselves."""
    if example is None:
        return ()
    if isinstance(example, tuple | list) and example and all(isinstance(n, int) for n in example):
        return (tuple(example),)
    return example
