# SPDX-License-Identifier: Apache-2.0
"""What the verbs do that need a text and nothing of the compiler, so that they start fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import asdict

from akc.base.codes import CODES
from akc.base.diagnostics import Diagnostic, DiagnosticError, as_data, error
from akc.base.files import read_text
from akc.base.products import check_products, write_text
from akc.cli.session import closest, print_json, print_warnings, say, shown
from akc.ir.levels import level_of, reaches
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.verifier import verify, verify_numbers


def check(file: str, target: str, against: Callable[[], str] | None, as_json: bool) -> None:
    """All faults and warnings of a text; a summary line if there are no faults.

    against: holds the text against its source, where that is asked for, and says what was proved.
    """
    found: list[Diagnostic] = []
    told: dict[str, Any] = {"file": shown(file)}
    try:
        _check(file, target, told, found)
        if against is not None:
            told["against"] = against()
    except DiagnosticError as fault:
        found += fault.diagnostics
    warnings, faults = ([d for d in found if (d.severity == "error") == is_fault] for is_fault in (False, True))
    if as_json:
        print_json({**told, "diagnostics": [as_data(d) for d in found]})
    print_warnings(warnings)
    if "operations" in told and not as_json:
        counts = f"{told['operations']} operations, {told['weights']} weights, {len(warnings)} warnings"
        say(f"{told['file']}: {told['level']}, {counts}")
    if faults:
        raise DiagnosticError(faults)
    if "against" in told and not as_json:
        say(told["against"])


def _check(file: str, target: str, told: dict[str, Any], found: list[Diagnostic]) -> None:
    """What is said of a text, and what was found in it; raises what the parser raises, and the faults found."""
    module = parse(read_text(file), shown(file))
    found += [d for d in verify(module) if d.severity != "error"]
    told["level"] = level_of(module)
    found += verify_numbers(module)
    if reaches(told["level"], "quantised") and all(d.severity != "error" for d in found):
        from akc.targets import load_target

        found += load_target(target).check(module)
    faults = [d for d in found if d.severity == "error"]
    if faults:
        found[:] = [d for d in found if d.severity != "error"]
        raise DiagnosticError(faults)
    told["operations"], told["weights"] = sum(1 for _ in module.net.ops), len(module.weights)


def fmt(file: str, output: str | None, only_check: bool) -> None:
    """A text in canonical form."""
    check_products([], [None if only_check else output or file])
    text = read_text(file)
    module = parse(text, shown(file))
    print_warnings([d for d in verify(module) if d.code == "AKC0206"])
    new = print_module(module)
    if only_check:
        if new != text:
            raise error("AKC0906", f"{shown(file)} is not in canonical form", help=f"akc fmt {file}")
    elif output is not None or new != text or file == "-":
        write_text(file if output is None else output, new)


def passes(name: str | None, as_json: bool) -> None:
    """The table of passes, or one with its options."""
    from akc.compiler.pass_descriptions import describe_pass, option_rows, summary
    from akc.passes import BUILD, LOWER, known_passes

    known = known_passes()
    if name is not None and name not in known:
        help = closest(name, known) or "`akc passes` lists them"
        raise error("AKC0402", f"there is no pass {name}", help=help)
    if as_json:
        rows = {key: one for key, one in known.items() if name in (None, key)}
        print_json([{"name": k, "summary": summary(p), "options": [asdict(o) for o in option_rows(p)]}
                    for k, p in rows.items()])  # fmt: skip
    elif name is not None:
        print(describe_pass(known[name]))
    else:
        width = max(len(n) for n in known)
        for key, one in known.items():
            print(f"{key:{width}}  {one.preserves:13}  {summary(one)}")
        print(f"\nakc lower runs  {LOWER}\nakc build adds  {BUILD.removeprefix(LOWER).lstrip(',')}")


def explain(code: str | None, as_json: bool) -> None:
    """A diagnostic code in full, or the list of codes."""
    key = None if code is None else code.upper()
    if key is not None and key not in CODES:
        help = closest(key, CODES) or "`akc explain` lists them"
        raise error("AKC0907", f"there is no diagnostic {code}", help=help)
    if as_json:
        print_json([{"code": k, **asdict(row)} for k, row in CODES.items() if key in (None, k)])
    elif key is not None:
        print(f"{key}: {CODES[key].title}\n\n{CODES[key].explanation}")
    else:
        for name, row in CODES.items():
            print(f"{name}  {row.title}")
