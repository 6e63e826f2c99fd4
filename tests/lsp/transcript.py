# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.lsp.transcript`: what a client asks the language server, and what it answers, feature by feature."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import LanguageClient, client_capabilities, make_test_lsp_client

from akc.lsp.painting import MODIFIERS, TOKENS
from tests.lsp.session import COMMAND, TINY, Editor, applied, chain

Step = Callable[[Editor], Awaitable[str]]


def place_of(where: types.Range) -> str:
    """A range as `line:column-line:column`, from 0 as the protocol counts."""
    start, end = where.start, where.end
    return f"{start.line}:{start.character}-{end.line}:{end.character}"


def told(found: Iterable[types.Diagnostic]) -> str:
    """Diagnostics, one a paragraph."""
    lines = []
    for one in found:
        assert one.severity is not None
        message = one.message.replace("\n", "\n    ")
        lines.append(f"{place_of(one.range)} {one.severity.name.lower()} {one.code} {message}")
        for note in one.related_information or ():
            lines.append(f"    see {place_of(note.location.range)}: {note.message}")
    return "\n".join(lines) or "nothing is wrong"


async def _hover(editor: Editor, mark: str) -> str:
    found = await editor.client.text_document_hover_async(types.HoverParams(**editor.at(mark)))
    assert found is not None and isinstance(found.contents, types.MarkupContent)
    return found.contents.value


async def _completion(editor: Editor, mark: str, most: int = 6) -> str:
    found = await editor.client.text_document_completion_async(types.CompletionParams(**editor.at(mark)))
    assert isinstance(found, types.CompletionList)
    lines = [f"{item.label}: {item.detail or ''}".rstrip(": ") for item in found.items]
    return "\n".join([*lines[:most], *([f"and {len(lines) - most} more"] if len(lines) > most else [])])


async def _typed(editor: Editor, mark: str, new: str) -> str:
    """Complete behind what was just typed, then take it back."""
    before = editor.text
    editor.type(mark, new)
    left, _, right = mark.partition("|")
    answer = await _completion(editor, f"{left}{new}|{right}")
    await editor.open(before)
    return answer


async def _definition(editor: Editor, mark: str) -> str:
    found = await editor.client.text_document_definition_async(types.DefinitionParams(**editor.at(mark)))
    assert isinstance(found, types.Location)
    return place_of(found.range)


async def _references(editor: Editor, mark: str) -> str:
    context = types.ReferenceContext(include_declaration=True)
    found = await editor.client.text_document_references_async(
        types.ReferenceParams(context=context, **editor.at(mark))
    )
    return " ".join(place_of(one.range) for one in found or ())


async def _rename(editor: Editor, mark: str, new: str) -> str:
    found = await editor.client.text_document_rename_async(types.RenameParams(new_name=new, **editor.at(mark)))
    assert found is not None and found.changes is not None
    return changed_lines(editor.text, applied(editor.text, found.changes[editor.uri]))


def changed_lines(old: str, new: str) -> str:
    """The lines that an edit changed."""
    from difflib import unified_diff

    lines = list(unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0))
    return "\n".join(line for line in lines[2:] if not line.startswith("@@"))


async def _formatting(editor: Editor) -> str:
    before = editor.text
    await editor.open(before.replace("bits=4) :", "bits = 4 ) :").replace("    9000\n", "      90 00\n"))
    options = types.FormattingOptions(tab_size=2, insert_spaces=True)
    found = await editor.client.text_document_formatting_async(
        types.DocumentFormattingParams(editor.identifier, options)
    )
    answer = changed_lines(editor.text, applied(editor.text, found or ()))
    await editor.open(before)
    return answer


async def _folding(editor: Editor) -> str:
    found = await editor.client.text_document_folding_range_async(types.FoldingRangeParams(editor.identifier))
    return "\n".join(f"lines {one.start_line} to {one.end_line} {one.kind or ''}".rstrip() for one in found or ())


async def _symbols(editor: Editor) -> str:
    found = await editor.client.text_document_document_symbol_async(types.DocumentSymbolParams(editor.identifier))
    return "\n".join(_tree(found or (), ""))


def _tree(found: Iterable[Any], indent: str) -> Iterable[str]:
    for one in found:
        yield f"{indent}{one.name} {one.detail or ''}".rstrip()
        yield from _tree(one.children or (), indent + "  ")


async def _semantic(editor: Editor) -> str:
    found = await editor.client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(editor.identifier))
    assert found is not None
    lines, line, column = editor.text.split("\n"), 0, 0
    rows = []
    for at in range(0, len(found.data), 5):
        down, right, length, kind, bits = found.data[at : at + 5]
        line, column = line + down, right + (0 if down else column)
        modifiers = [name for n, name in enumerate(MODIFIERS) if bits >> n & 1]
        rows.append(" ".join([lines[line][column : column + length], TOKENS[kind], *modifiers]))
    return "\n".join([*rows[:24], f"and {len(rows) - 24} more"])


async def _hints(editor: Editor) -> str:
    everything = types.Range(types.Position(0, 0), types.Position(100, 0))
    found = await editor.client.text_document_inlay_hint_async(types.InlayHintParams(editor.identifier, everything))
    return "\n".join(
        f"{one.position.line}:{one.position.character} {one.label}" + (f" ({one.tooltip})" if one.tooltip else "")
        for one in found or ()
    )


async def _action(editor: Editor) -> str:
    """A name that is misspelt: the mark, the way out, and the mark after it was taken."""
    before = editor.text
    found = await editor.open(before.replace("(%h, weights=#fc2.weights", "(%h, weights=#fc2.weight"))
    everything = types.Range(types.Position(0, 0), types.Position(100, 0))
    context = types.CodeActionContext(found)
    actions = await editor.client.text_document_code_action_async(
        types.CodeActionParams(editor.identifier, everything, context)
    )
    lines = [told(found)]
    for action in actions or ():
        assert isinstance(action, types.CodeAction) and action.edit is not None and action.edit.changes is not None
        after = applied(editor.text, action.edit.changes[editor.uri])
        lines += [f"action: {action.title}", changed_lines(editor.text, after)]
    lines.append(f"after the first: {told(await editor.open(before))}")
    return "\n".join(lines)


async def _fault(editor: Editor, old: str, new: str) -> str:
    before = editor.text
    assert old in before
    answer = told(await editor.open(before.replace(old, new)))
    await editor.open(before)
    return answer


async def _command(editor: Editor, name: str) -> str:
    found = await editor.client.workspace_execute_command_async(types.ExecuteCommandParams(name, [editor.uri]))
    if isinstance(found, str):
        return "\n".join(found.split("\n")[:12])
    rows = default_converter().unstructure(found)
    return "\n".join(f"{row['name']}: {len(row['text'].splitlines())} lines" for row in rows)


TWICE = "fnp3(1, 3, 0), fnp3(1, 3, 0)"

STEPS: dict[str, Step] = {
    "diagnostics, a sound text": lambda e: _fault(e, "tiny", "other"),
    "diagnostics, syntax": lambda e: _fault(e, "bits=4)", "bits=4"),
    "diagnostics, verifier": lambda e: _fault(e, "fully_connected(%h", "fully_conected(%h"),
    "diagnostics, a digit of a weight": lambda e: _fault(e, "9000", "8000"),
    "diagnostics, a warning in a weight": lambda e: _fault(e, "17.25", "17.26"),
    "diagnostics, a limit of the chip": lambda e: _fault(e, 'dec "5 -6', 'dec "5000000 -6'),
    "diagnostics, memory that is exceeded": lambda e: _fault(e, TINY, chain(1, 2048, 8)),
    "diagnostics, more NPs than there are": lambda e: _fault(e, TINY, chain(30, 192, 16)),
    "diagnostics, a place that is taken": lambda e: _fault(e, "activation=false)", f"activation=false, at=[{TWICE}])"),
    "hover, an operation": lambda e: _hover(e, "%h = akida.fully|"),
    "hover, a value": lambda e: _hover(e, "    %h|"),
    "hover, an input with a range": lambda e: _hover(e, "quantize(%im|age"),
    "hover, a weight": lambda e: _hover(e, "weights=#fc1.wei|ghts"),
    "hover, an attribute": lambda e: _hover(e, "act_s|tep="),
    "hover, an element type": lambda e: _hover(e, "i|4[3, 4]"),
    "completion, operations": lambda e: _completion(e, "%y = host.|decode"),
    "completion, attributes": lambda e: _completion(e, "fully_connected(%h, |weights"),
    "completion, words of an attribute": lambda e: _completion(e, "activation=|false"),
    "completion, weights of an attribute": lambda e: _completion(e, "weights=|#fc2"),
    "completion, values": lambda e: _typed(e, "return |%y", "%y, %"),
    "definition, a value": lambda e: _definition(e, "return %|y"),
    "definition, a weight": lambda e: _definition(e, "threshold=#fc1|"),
    "references, a value": lambda e: _references(e, "    %|h ="),
    "references, a weight": lambda e: _references(e, "  #fc1.weights|"),
    "rename, a weight": lambda e: _rename(e, "act_step=#|fc1", "first.step"),
    "formatting": _formatting,
    "folding": _folding,
    "symbols": _symbols,
    "semantic tokens": _semantic,
    "inlay hints": _hints,
    "code action": _action,
    "command, report": lambda e: _command(e, "akc.report"),
    "command, the text after each pass": lambda e: _command(e, "akc.passes"),
}  # fmt: skip
"""What is asked, in order; each step leaves the text as it found it."""


async def session(steps: dict[str, Step], client: LanguageClient) -> str:
    """The answers of a session on the tiny network."""
    editor = Editor(client)
    await editor.open(TINY)
    return "\n\n".join([f"== {name}\n{await step(editor)}" for name, step in steps.items()])


async def main() -> None:
    """Start a server, ask, print, say good-bye."""
    client = make_test_lsp_client()
    await client.start_io(*COMMAND)
    capabilities = client_capabilities("visual-studio-code")
    await client.initialize_session(types.InitializeParams(capabilities=capabilities))
    print(await session(STEPS, client))
    await client.shutdown_session()
    await client.stop()


if __name__ == "__main__":
    asyncio.run(main())
