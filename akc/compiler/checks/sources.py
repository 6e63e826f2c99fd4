# SPDX-License-Identifier: Apache-2.0
"""Which sources are run to be held against their import, by whom, and which are not, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from akc.compiler.checks.answers import SourceRunner
from akc.compiler.checks.imports import Agreement, check_import, opaque_layers
from akc.compiler.checks.onnx_source import OnnxSource
from akc.compiler.checks.probes import Probes, make_probes
from akc.compiler.checks.readings.plain import NUMPY_FAULTS, Unread
from akc.compiler.checks.record import Checks
from akc.compiler.checks.torch_source import TorchSource
from akc.compiler.sources import Opened, Options
from akc.ir.module import Module
from akc.sim.registry import Array


def _torch(opened: Opened, module: Module) -> SourceRunner:
    return TorchSource(opened.thing, opened.example, module, opened.spiking)


def _onnx(opened: Opened, module: Module) -> SourceRunner:
    return OnnxSource(opened.thing, module, opened.spiking.get("readout"))


def _steps(module: Module) -> int:
    return next((v.type.steps for v in module.net.values.values() if v.type.steps), 1)


def _over_time(module: Module) -> bool:
    return module.net.inputs[0].type.steps is not None


def _nir(opened: Opened, module: Module) -> SourceRunner:
    from akc.compiler.checks.readings import nir_file
    from akc.frontends.spiking.nir import producer_of

    producer = producer_of(opened.thing, Options(spiking=opened.spiking).for_spikes())
    return nir_file.read(opened.thing, opened.spiking, _steps(module), _over_time(module), producer)


def _lava(opened: Opened, module: Module) -> SourceRunner:
    from akc.compiler.checks.readings import lava_file

    return lava_file.read(opened.thing, opened.spiking, _steps(module), _over_time(module))


def _weights(opened: Opened, module: Module) -> SourceRunner:
    from akc.compiler.checks.readings import bindsnet_file, weights_file

    try:
        return weights_file.read(opened.thing, opened.spiking, _steps(module), _over_time(module))
    except Unread as other:
        if str(other) != "whole objects":
            raise
    return bindsnet_file.read(opened.thing, opened.spiking, _steps(module), _over_time(module))


RUNNERS: dict[str, Callable[[Opened, Module], SourceRunner]] = {
    "torch": _torch,
    ".onnx": _onnx,
    ".nir": _nir,
    ".net": _lava,
    ".pt": _weights,
    ".safetensors": _weights,
}
"""By kind of source: what runs it, sharing nothing with what reads it."""

UNCHECKED: dict[str, str] = {
    ".fbz": "the vendor's model file holds the chip's own integers, which the vendor's tools run",
    ".bin": "a program was read back, whose network nobody has",
}
"""Sources that nothing runs, and why."""


def prove_import(
    module: Module,
    opened: Opened | None,
    checks: Checks,
    samples: Mapping[str, Array] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Check 1, as far as the level of `checks` goes; what it found is noted there.

    samples, limits: as for akc.compiler.checks.probes.make_probes. Raises DiagnosticError AKC0720 to AKC0722.
    """
    if checks.effort is None or opened is None:
        return
    if opened.kind in UNCHECKED:
        checks.imported = f"import unchecked, because {UNCHECKED[opened.kind]}"
        return
    unknown = opaque_layers(module)
    if unknown:
        checks.imported = f"import unchecked, because akc does not know {', '.join(dict.fromkeys(unknown))}"
        return
    make = opened.by.run if opened.by is not None else RUNNERS.get(opened.kind)
    if make is None and opened.by is not None:
        checks.imported = f"import unchecked, because the frontend of {opened.by.what} brings nothing that runs it"
    if make is None:
        return
    try:
        source = _made(make, opened, module)
        probes = make_probes(module, checks.effort, samples, limits)
        checks.imported = _clause(source.name, probes, check_import(module, source, probes))
    except Unread as what:
        checks.imported = f"import unchecked, because akc's second reading of {opened.kind} files does not know {what}"


def _made(make: Callable[[Opened, Module], SourceRunner], opened: Opened, module: Module) -> SourceRunner:
    """What runs a source; the second reading of a file, written plainly, may not take all that the first does."""
    if opened.kind not in SECOND_READINGS:
        return make(opened, module)
    try:
        return make(opened, module)
    except NUMPY_FAULTS as fault:
        raise Unread(f"its form ({type(fault).__name__})") from None


SECOND_READINGS = (".nir", ".net", ".pt", ".safetensors")


def _clause(name: str, probes: Probes, found: Agreement) -> str:
    if found.moved:
        return f"import = {name} but for the rounding of its own quantisers, which moves results by {found.moved:.1%}"
    remarks = [f"largest difference {found.largest:.0e}" if found.largest else "no difference"]
    remarks += [probes.fewer] if probes.fewer else []
    remarks += [f"{found.excused} of them but for a spike that rounding decides"] if found.excused else []
    remarks += [f"{found.beyond} of them beyond what float32 holds"] if found.beyond else []
    remarks += [f"{name} never fired" for name in found.silent[:3]]
    remarks += [f"{len(found.silent) - 3} more never fired"] if len(found.silent) > 3 else []
    return f"import = {name} on {probes.count} inputs ({', '.join(remarks)})"
