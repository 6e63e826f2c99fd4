# SPDX-License-Identifier: Apache-2.0
"""Pipelines of passes: read from strings, checked for levels, verified after each, dumped, timed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import numpy as np
from attrs import define, field, frozen
from lark import Token

from akc.base.calls import instance, public
from akc.base.diagnostics import Diagnostic, DiagnosticError, Source, Span, error
from akc.base.files import make_folder
from akc.base.products import write_text
from akc.compiler.checks.record import Checks
from akc.grammar import parse_tree
from akc.ir.levels import first_obstacle, level_of, reaches
from akc.ir.module import MODULE, Module
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.verifier import verify
from akc.passes.shared.contract import Pass, PassContext, Reads, Samples, lacks
from akc.targets import Target, load_target

Check = Callable[[Module, Pass, Module], None]
"""Looks at what a pass did: the module before, the pass, the module after. Raises DiagnosticError to refuse it."""


@frozen
class Step:
    """A pass that changed a module: its name with its options, what it preserves, the module before it and after."""

    name: str
    preserves: str
    before: Module
    after: Module


@define
class Context:
    """What a run of passes is given, and what it collects for the user: warnings, timings and reports.

    samples: calibration inputs by name, batch axis first, or None; labels: their classes, or None;
    input_range: smallest and largest input that the user promises; host: whether layers that the chip
    does not take may run on the host ("refuse" or "allow"); progress: called with (done, total, what); check: called
    after each pass that changed the module.
    """

    target_name: str = "akd1000"
    samples: Samples | None = None
    labels: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None = None
    input_range: tuple[float, float] | None = None
    host: str = "refuse"
    warnings: list[Diagnostic] = field(factory=list)
    timings: list[tuple[str, float]] = field(factory=list)
    dump_dir: Path | None = None
    command: tuple[str, ...] = ()
    progress: Callable[[int, int, str], None] = lambda done, total, what: None
    check: Check = lambda before, one, after: None
    checks: Checks = field(factory=Checks)
    """How much is proved about the compile, and what was."""
    steps: list[Step] | None = None
    """The passes that changed something, where somebody wants to see them; else None."""
    reports: dict[str, Any] = field(factory=dict)
    """What passes found out, by pass name; no pass reads it."""

    @property
    def target(self) -> Target:
        """The chip that the network is for."""
        return load_target(self.target_name)

    def warn(self, diagnostic: Diagnostic) -> None:
        """Keep a warning for the user; the same one is kept once."""
        warning = attrs.evolve(diagnostic, severity="warning")
        if warning not in self.warnings:
            self.warnings.append(warning)

    def report(self, name: str, found: Any) -> None:
        """Keep what a pass found out."""
        self.reports[name] = found

    def of_pass(self, reads: Iterable[Reads]) -> PassContext:
        """What a pass is given that reads these fields, and nothing else."""
        given: dict[str, Any] = {name: getattr(self, name) for name in reads}
        return PassContext(target=self.target, progress=self.progress, warn=self.warn, report=self.report, **given)


# -- pipeline strings ------------------------------------------------------------------------------


def parse_pipeline(text: str, known: Mapping[str, type[Any]] | None = None) -> list[Pass]:
    """The passes of a pipeline string; raises DiagnosticError with every unknown name and bad value."""
    if known is None:
        from akc.passes import known_passes

        known = known_passes()
    source = Source("<pipeline>", text)
    tree = parse_tree("pipeline", source, "AKC0401")
    faults: list[Diagnostic] = []
    passes = [_read_pass(node, source, known, faults) for node in tree.children if node is not None]
    if faults:
        raise DiagnosticError(faults)
    return [p for p in passes if p is not None]


def _read_pass(node: Any, source: Source, known: Mapping[str, type[Any]], faults: list[Diagnostic]) -> Pass | None:
    name, options = node.children
    if name not in known:
        faults.append(_pipeline_fault("AKC0402", f"there is no pass {name}", name, source, list(known), "akc passes"))
        return None
    before = len(faults)
    values: dict[str, Any] = {}
    for option in options.children if options is not None else ():
        _read_option(option.children, known[name], source, values, faults)
    return known[name](**values) if len(faults) == before else None


def _read_option(
    tokens: list[Token], pass_class: type[Any], source: Source, values: dict[str, Any], faults: list[Diagnostic]
) -> None:
    key, text = tokens[0], tokens[1]
    fields = {f.alias: f for f in attrs.fields(pass_class)}
    if key not in fields:
        message = f"{pass_class.name} has no option {key}"
        faults.append(_pipeline_fault("AKC0403", message, key, source, list(fields), f"akc passes {pass_class.name}"))
        return
    try:
        value = _convert(text, get_type_hints(pass_class)[fields[key].name])
        pass_class(**{key: value})
        values[str(key)] = value
    except (ValueError, TypeError) as fault:
        message = f"{key}={text}: {option_limit(fault)}"
        faults.append(Diagnostic(code="AKC0404", message=message, span=_token_span(text, source)))


def option_limit(fault: Exception) -> str:
    """What a value must be, in words; validators of attrs that list values name them third."""
    if len(fault.args) > 2 and isinstance(fault.args[2], tuple):
        *others, last = (_option_text(value) for value in fault.args[2])
        return f"{', '.join(others)} or {last} is needed"
    return str(fault.args[0] if fault.args else fault)


def _convert(text: str, hint: Any) -> Any:
    """A word as the type of a pass option."""
    kinds = get_args(hint) or (hint,)
    if text == "none" and type(None) in kinds:
        return None
    if bool in kinds:
        if text not in ("true", "false"):
            raise ValueError("true or false is needed")
        return text == "true"
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                if str not in kinds and not (kind is int and float in kinds):
                    raise ValueError(f"a {'whole ' if kind is int else ''}number is needed") from None
    return str(text)


def _token_span(token: Token, source: Source) -> Span:
    return Span(source, token.start_pos or 0, token.end_pos or 0)


def _pipeline_fault(
    code: str, message: str, token: Token, source: Source, known: list[str], command: str
) -> Diagnostic:
    close = get_close_matches(str(token), known, n=1, cutoff=0.5)
    help = f"did you mean {close[0]}?" if close else f"`{command}` lists them: {', '.join(known) or 'none'}"
    return Diagnostic(code=code, message=message, span=_token_span(token, source), help=help)


# -- running ---------------------------------------------------------------------------------------


class PassCrash(Exception):
    """A bug of akc: a pass failed in a way that it should not. `reproducer` re-runs it."""

    def __init__(self, pass_name: str, reproducer: str, done: list[str], fault: Exception) -> None:
        self.pass_name, self.reproducer, self.done = pass_name, reproducer, done
        cause = f"{type(fault).__name__}: {fault}".splitlines()[0]
        super().__init__(f"pass {pass_name} failed (after {', '.join(done) or 'no other pass'}): {cause}")


@public(
    module=MODULE,
    pipeline=instance(str, list, tuple, help="give names of passes, or a list of passes"),
    context=instance(Context, help="give an akc.Context()"),
)
def run_pipeline(module: Module, pipeline: str | list[Pass], context: Context) -> Module:
    """Run passes in order.

    Checks the level that each requires and ensures, verifies the result (a pass that gets a valid module
    leaves a valid one), writes `NN-name.akir` into context.dump_dir where the text changed.
    Raises DiagnosticError for faults of the input, PassCrash for bugs.
    """
    passes = parse_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    _refuse_strangers(passes)
    if context.dump_dir is not None:
        write_text(make_folder(context.dump_dir) / "00-input.akir", print_module(module))
    done: list[str] = []
    for number, one in enumerate(passes, 1):
        context.progress(number - 1, len(passes), f"pass {one.name}")
        module = _run_pass(one, module, context, done, number)
        done.append(one.name)
    context.progress(len(passes), len(passes), "passes")
    return module


def _refuse_strangers(passes: list[Pass]) -> None:
    """Raise DiagnosticError AKC0433 with every object that is no pass."""
    help = "docs/writing-a-pass.md says what a pass is"
    found = [(one, lacks(one)) for one in passes]
    faults = [
        Diagnostic(code="AKC0433", message=f"{type(one).__name__} is no pass: {wrong}", help=help)
        for one, wrong in found
        if wrong
    ]
    if faults:
        raise DiagnosticError(faults)


def _run_pass(one: Pass, module: Module, context: Context, done: list[str], number: int) -> Module:
    if one.requires is not None:
        require_level(module, one.requires, f"pass {one.name}")
    start = time.perf_counter()
    try:
        result = one.run(module, context.of_pass(one.reads))
        _check_result(one, module, result)
    except DiagnosticError:
        raise
    except Exception as fault:
        raise PassCrash(one.name, _reproducer(one, module), done, fault) from fault
    context.timings.append((one.name, time.perf_counter() - start))
    if result is not module:
        context.check(module, one, result)
        if context.steps is not None:
            context.steps.append(Step(describe(one), one.preserves, module, result))
        if context.dump_dir is not None:
            write_text(context.dump_dir / f"{number:02}-{one.name}.akir", print_module(result))
    return result


def _check_result(one: Pass, before: Module, result: Module) -> None:
    faults = [d for d in verify(result) if d.severity == "error"]
    if faults:
        raise AssertionError("the pass left a module that is not valid:\n" + str(DiagnosticError(faults)))
    if one.ensures is not None and not reaches(level_of(result), one.ensures):
        if result is before:
            require_level(result, one.ensures, f"what follows {one.name}, which found nothing to do,")
        raise AssertionError(f"the pass left a module that is {level_of(result)}, not {one.ensures}")


def require_level(module: Module, needed: str, what: str) -> None:
    """Raise DiagnosticError AKC0203 unless the module is at `needed` or above."""
    level = level_of(module)
    if reaches(level, needed):
        return
    obstacle = first_obstacle(module, needed)
    op, rule = obstacle if obstacle else (None, None)
    raise error(
        "AKC0203",
        f"{what} needs a {needed} network, this one is {level}",
        span=op.span() if op else None,
        label=f"{op.mnemonic} {rule.message}" if op and rule else "",
        origin=op.origin if op else (),
        help=(f"run -p {rule.passes} first",) if rule else ("the net has no layer",),
    )


def changed_options(pipeline: str) -> dict[str, dict[str, Any]]:
    """The options of a pipeline string that differ from their defaults, by pass; "" gives none."""
    changed: dict[str, dict[str, Any]] = {}
    for one in parse_pipeline(pipeline) if pipeline else ():
        fields = attrs.fields(type(one))  # type: ignore[arg-type]
        found = {f.name: getattr(one, f.name) for f in fields if getattr(one, f.name) != f.default}
        changed.setdefault(one.name, {}).update(found)
    return changed


def describe(one: Pass) -> str:
    """A pass as it stands in a pipeline string, options that differ from their default included."""
    changed = [
        f"{f.alias}={_option_text(getattr(one, f.name))}"
        for f in attrs.fields(type(one))  # type: ignore[arg-type]
        if getattr(one, f.name) != f.default
    ]
    return one.name + (f"{{{' '.join(changed)}}}" if changed else "")


def _option_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _reproducer(one: Pass, module: Module) -> str:
    """A text that is valid input, its first line the command that repeats the crash."""
    command = f"akc opt crash.akir -p {shlex.quote(describe(one))}"
    return f"// {command}\n{print_module(module)}"


def reparse(module: Module, name: str = "<printed>") -> Module:
    """Print and parse a module, so that its ops have places in a text that the user can see."""
    return parse(print_module(module), name)
