# SPDX-License-Identifier: Apache-2.0
"""What is written about passes in their own classes: for `akc passes` and docs/passes/README.md."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import attrs
from attrs import frozen


@frozen
class OptionRow:
    """An option of a pass: name, type as annotated, default, and the docstring below the field."""

    name: str
    type: str
    default: str
    doc: str


def option_rows(pass_class: type[Any]) -> list[OptionRow]:
    """The options of a pass, in order."""
    docs = _field_docs(pass_class)
    return [
        OptionRow(f.alias, _type_text(f.type), _word(f.default), docs.get(f.name, "")) for f in attrs.fields(pass_class)
    ]


def summary(pass_class: type[Any]) -> str:
    """The first line of the docstring."""
    return (pass_class.__doc__ or "").strip().splitlines()[0]


def preserves(pass_class: type[Any]) -> str:
    """What a pass preserves, an approximation with its measure."""
    measure = getattr(pass_class, "measure", "")
    return f"{pass_class.preserves}{f' (measured by {measure})' if measure else ''}"


def describe_pass(pass_class: type[Any]) -> str:
    """A pass with its levels and options, as `akc passes NAME` prints it."""
    lines = [f"{pass_class.name}: {inspect.cleandoc(pass_class.__doc__ or '')}", ""]
    lines.append(f"needs: {pass_class.requires or 'any level'}; gives: {pass_class.ensures or 'the same level'}")
    lines.append(f"preserves: {preserves(pass_class)}; reads: {', '.join(pass_class.reads) or 'nothing but the text'}")
    for row in option_rows(pass_class):
        lines += ["", f"  {row.name}={row.default}  ({row.type})"]
        lines += textwrap.wrap(row.doc, 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _type_text(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _field_docs(pass_class: type[Any]) -> dict[str, str]:
    """The string below each annotated field."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(pass_class))).body
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for statement, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                docs[statement.target.id] = " ".join(text.value.split())
    return docs
