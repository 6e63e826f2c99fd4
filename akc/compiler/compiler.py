# SPDX-License-Identifier: Apache-2.0
"""The two arrows of the compiler: `lower` (a source to quantised text) and `build` (text to a program)."""

from __future__ import annotations

import os
from typing import Any

import attrs
import numpy as np

from akc.base.calls import instance, optional, public
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.compiler.arguments import MODULE_OR_TEXT, RULES, rules
from akc.compiler.checks.programs import prove_program
from akc.compiler.checks.record import Checks
from akc.compiler.checks.rewrites import proved
from akc.compiler.pass_options import configured
from akc.compiler.pipeline import Context, require_level, run_pipeline
from akc.compiler.program import Program
from akc.compiler.python_warnings import told
from akc.compiler.reading_again import refuse_unreadable
from akc.compiler.request import LowerRequest, PassOptions
from akc.compiler.running import refuse_elided
from akc.compiler.samples import samples_for
from akc.compiler.sources import SPIKING, Options, read_source
from akc.ir.levels import level_of, reaches
from akc.ir.module import Module
from akc.ir.verifier import verify_numbers
from akc.targets import check_ways

CONTEXT = optional(instance(Context, help="give an akc.Context()"))


@public(SPIKING, context=CONTEXT, **RULES)
def lower(
    source: Any,
    *,
    example: Any = None,
    target: str = "akd1000",
    calibrate: Any = None,
    tune: Any = None,
    input_range: tuple[float, float] | None = None,
    pipeline: str | None = None,
    host: str = "refuse",
    dump_dir: str | os.PathLike[str] | None = None,
    options: PassOptions | None = None,
    context: Context | None = None,
    spikes: str | None = None,
    least: float | None = None,
    check: str = "quick",
    **spiking: Any,
) -> Module:
    """Import a network and lower it to integers.

    source: a file name (.onnx, .fbz, .akir, file.py:factory ...), an onnx.ModelProto, a torch.nn.Module
    (with example: a tensor, or the shape of one with its batch axis), or a Module. calibrate: a .npz or
    .npy file, an array, or a dict of arrays by input name (`labels` optional). input_range: smallest and
    largest input value. tune: samples to train on in the chip's integers, by what the source answers.
    pipeline: passes in place of the default ones. options: values for pass options,
    as {"lower-int4": {"weights": 2}}. least: the smallest share of same answers on samples held out that is
    not refused (0.8); 0 never refuses. context: to collect warnings, reports and timings; without one, warnings
    are Python's (`akc.DiagnosticWarning`). spikes: "rate", "step" or "hybrid", the way a spiking network takes.
    check: "off", "quick" or "full": how much is proved about the compile (docs/checks.md).
    spiking: what a spiking source does not say itself: steps, dt, coding, readout, reset, producer, topology,
    accept (akc.frontends.spiking.reader.SpikingOptions).
    Raises DiagnosticError with every fault.
    """
    request = LowerRequest(
        source=source,
        example=example,
        target=target,
        calibrate=calibrate,
        tune=tune,
        input_range=input_range,
        pipeline=pipeline,
        host=host,
        dump_dir=dump_dir,
        options=options,
        spikes=spikes,
        least=least,
        check=check,
        spiking=spiking,
    )
    with told(context) as collecting:
        return _lower(request, collecting)


def _lower(request: LowerRequest, context: Context) -> Module:
    """The two halves of lowering: read the source, run the passes."""
    _check_range(request.input_range)
    if request.pipeline is not None:
        configured(request.pipeline, request.options)
    reading = Options(example=request.example, spiking=request.spiking, warn=context.warn)
    module = read_source(request.source, reading)
    if not isinstance(request.source, Module):
        refuse_unreadable(module, "<imported>")
    raise_or_warn([d for d in verify_numbers(module) if d.severity == "error"], context)
    _prepare(context, request, module)
    _prove_import(module, reading, context)
    _warn_of_idle(request, module, context)
    chosen = request.pipeline
    passes = configured(
        default_pipeline(module, context, request.spikes) if chosen is None else chosen, request.options
    )
    if request.least is not None:
        passes = [attrs.evolve(p, least=request.least) if p.name == "fit-rate" else p for p in passes]  # type: ignore[misc]
    with proved(context):
        lowered = run_pipeline(module, passes, context)
    if chosen is None and request.tune is not None:
        from akc.compiler.tune import tuned

        lowered = tuned(module, lowered, passes, context, request.tune)
    elif chosen is None:
        from akc.compiler.recipes import LEAST, calibrated

        lowered = calibrated(module, lowered, passes, context, LEAST if request.least is None else request.least)
    refuse_unreadable(lowered, "<lowered>")
    raise_or_warn([d for d in verify_numbers(lowered) if d.severity == "error"], context)
    if chosen is None and request.host == "refuse":
        from akc.passes.placing.place import host_faults

        raise_or_warn([*context.target.check(lowered), *host_faults(lowered)], context)
    return lowered


def _prepare(context: Context, request: LowerRequest, module: Module) -> None:
    """What the passes may ask for besides the module."""
    context.target_name, context.host = request.target, request.host
    context.input_range = request.input_range or context.input_range
    context.dump_dir = request.dump_dir or context.dump_dir
    context.checks = Checks(request.check)
    if request.calibrate is not None:
        samples = samples_for(request.calibrate, module.net.inputs, "calibrate")
        context.samples, context.labels = samples.inputs, samples.labels


def _prove_import(module: Module, reading: Options, context: Context) -> None:
    """Check 1 for what was read with these options."""
    if not reading.opened or context.checks.effort is None:
        return
    from akc.compiler.checks.sources import prove_import

    prove_import(module, reading.opened[-1], context.checks, context.samples, context.input_range)


def _check_range(limits: tuple[float, float] | None) -> None:
    if limits is not None and not (np.isfinite(limits).all() and limits[0] < limits[1]):
        raise error("AKC0905", f"{limits} is no input range", help="two finite numbers, the smaller first: (0, 1)")


def _warn_of_idle(request: LowerRequest, module: Module, context: Context) -> None:
    """Warn where a way for spikes was named that nothing takes."""
    from akc.passes.shared.neurons.spikes import is_spiking

    own = request.pipeline is not None
    if request.spikes is not None and (own or not is_spiking(module)):
        what = "a pipeline of your own" if own else "a network without spiking neurons"
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
        context.warn(Diagnostic(code="AKC0910", message=f"no --spikes was given, so akc takes {way}: {reason}"))
    return str(SPIKING[way])


@public(context=CONTEXT, module=MODULE_OR_TEXT, **rules("host", "target", "engine_version", "check"))
def build(
    module: Module | str,
    target: str = "akd1000",
    *,
    place: str = "vendor",
    cut: str = "crossings",
    host: str = "refuse",
    engine_version: str | None = None,
    check: str = "quick",
    context: Context | None = None,
) -> Program:
    """Place and assemble a module of any level (what is still missing is run with default options).

    module: a Module, or .akir text; place: "vendor", "vendor-minimal" or "compact"; cut: with
    host="allow", where a network that the chip takes only in part is cut: "crossings" (the fewest between
    host and chip), "vendor" or "vendor-minimal" (as the vendor's tools do); engine_version: the version
    that the vendor's engine will compare with its own; check: "off", "quick" or "full": how much is proved
    (docs/checks.md). Raises DiagnosticError with every fault.
    """
    with told(context) as collecting:
        collecting.target_name, collecting.host = target, host
        collecting.checks.level = check
        return _build(module, place, cut, engine_version, collecting)


def _build(given: Module | str, place: str, cut: str, engine_version: str | None, context: Context) -> Program:
    from akc.ir.parser import parse
    from akc.passes import PLACE

    chip = context.target
    check_ways(chip, place, cut)
    placing = configured(PLACE, {"place": {"mode": place, "cut": cut}})
    module = parse(given) if isinstance(given, str) else given
    refuse_elided(module)
    raise_or_warn(verify_numbers(module), context)
    with proved(context):
        if not reaches(level_of(module), "quantised"):
            module = run_pipeline(module, default_pipeline(module, context), context)
        module = run_pipeline(module, placing, context)
    require_level(module, "placed", "the assembler")
    program = Program(
        module=module,
        sequences=chip.assemble(module, engine_version),
        target=context.target_name,
        engine_version=engine_version or chip.engine_version,
    )
    prove_program(program, context.checks)
    return attrs.evolve(program, checked=context.checks.line())


def raise_or_warn(found: list[Diagnostic], context: Context) -> None:
    faults = [d for d in found if d.severity == "error"]
    if faults:
        raise DiagnosticError(faults)
    for warning in found:
        context.warn(warning)
