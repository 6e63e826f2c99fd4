# SPDX-License-Identifier: Apache-2.0
"""Ways through a text: definition, references, rename, symbols, folding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lsprotocol import types

from akc.base.diagnostics import error
from akc.lsp.document import Document
from akc.lsp.words import NAMING, Word

_NAME = re.compile(r"[A-Za-z_][\w.]*")


def _name_at(document: Document, position: types.Position) -> Word | None:
    if document.reading.skeleton.payload_at(document.text.offset(position)):
        return None
    word = document.reading.words.at(document.offset(position))
    return word if word is not None and word.kind in NAMING else None


def _places(document: Document, word: Word) -> list[Word]:
    return document.reading.words.named(word.text, word.scope)


def definition(document: Document, params: types.DefinitionParams) -> types.Location | None:
    """Where a value, a weight, a net or a sequence is given its name."""
    word = _name_at(document, params.position)
    found = None if word is None else document.reading.words.definition(word.text, word.scope)
    return None if found is None else types.Location(document.uri, document.word_range(found))


def references(document: Document, params: types.ReferenceParams) -> list[types.Location]:
    """Every place of a name."""
    word = _name_at(document, params.position)
    found = [] if word is None else _places(document, word)
    wanted = [w for w in found if params.context.include_declaration or not w.defines]
    return [types.Location(document.uri, document.word_range(w)) for w in wanted]


def highlight(document: Document, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
    """The same, in the text that is open."""
    kinds = {True: types.DocumentHighlightKind.Write, False: types.DocumentHighlightKind.Read}
    word = _name_at(document, params.position)
    found = [] if word is None else _places(document, word)
    return [types.DocumentHighlight(document.word_range(w), kinds[w.defines]) for w in found]


def prepare_rename(document: Document, params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
    """The name under the cursor, without its sign."""
    word = _name_at(document, params.position)
    if word is None or len(word.text) < 2:
        return None
    return types.PrepareRenamePlaceholder(document.range(word.start + 1, word.end), word.text[1:])


def rename(document: Document, params: types.RenameParams) -> types.WorkspaceEdit | None:
    """Another name at every place of one. Raises DiagnosticError AKC0947 for one that is no name or is taken."""
    word = _name_at(document, params.position)
    if word is None:
        return None
    new = params.new_name.removeprefix(word.text[0])
    if not _NAME.fullmatch(new):
        raise error("AKC0947", f"{params.new_name} is no name", help="names are letters, digits, _ and .")
    sign = word.text[0]
    if sign + new != word.text and document.reading.words.definition(sign + new, word.scope) is not None:
        raise error("AKC0947", f"{sign}{new} is taken", help="take another name")
    edits = [types.TextEdit(document.word_range(w), sign + new) for w in _places(document, word)]
    return types.WorkspaceEdit(changes={document.uri: edits})


# -- symbols ---------------------------------------------------------------------------------------


def symbols(document: Document, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    """Nets with their inputs, sequences and statements; blocks of weights."""
    found = list(_symbols(document))
    roots: list[types.DocumentSymbol] = []
    stack: list[types.DocumentSymbol] = []
    for one in sorted(found, key=lambda s: (_key(s.range.start), [-n for n in _key(s.range.end)])):
        while stack and _key(stack[-1].range.end) < _key(one.range.end):
            stack.pop()
        if stack:
            stack[-1].children = [*(stack[-1].children or ()), one]
        else:
            roots.append(one)
        stack.append(one)
    return roots


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character


BLOCKS = {
    "net": types.SymbolKind.Function,
    "sequence": types.SymbolKind.Module,
    "weights": types.SymbolKind.Namespace,
    "source": types.SymbolKind.Namespace,
}


def _symbols(document: Document) -> Iterator[types.DocumentSymbol]:
    words = document.reading.words
    for head, opening, closing in words.blocks:
        if head.text in BLOCKS and opening.text == "{":
            name = next(
                (w for w in words.before(opening.start)[::-1] if w.start >= head.start and w.kind == "block"), head
            )
            yield _symbol(document, name, BLOCKS[head.text], head, closing)
    ends = {first.start: last for first, last in words.statements}
    for word in words.words:
        if word.kind == "value" and word.defines:
            yield _symbol(
                document, word, types.SymbolKind.Variable, word, ends.get(word.start, word), _what(document, word)
            )
    for first, last in weight_entries(words.words):
        yield _symbol(document, first, types.SymbolKind.Constant, first, last, _what(document, first))


def weight_entries(words: Iterable[Word]) -> Iterator[tuple[Word, Word]]:
    """The first and last word of each entry of a block of weights."""
    first = last = None
    for word in words:
        if word.kind == "comment":
            continue
        if first is not None and last is not None and (word.text == "}" or (word.kind == "weight" and word.defines)):
            yield first, last
            first = None
        if word.kind == "weight" and word.defines:
            first = word
        last = word


def _what(document: Document, word: Word) -> str:
    if word.kind == "weight":
        weight = document.weight(word.text, word.scope)
        return "" if weight is None else str(weight.type)
    op = document.op(word.text, word.scope)
    return "input" if op is None else op.mnemonic


def _symbol(
    document: Document, name: Word, kind: types.SymbolKind, first: Word, last: Word, detail: str = ""
) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=name.text,
        kind=kind,
        range=document.range(first.start, last.end),
        selection_range=document.word_range(name),
        detail=detail,
    )


# -- folding ---------------------------------------------------------------------------------------


def folding(document: Document, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    """Blocks, statements and payloads of several lines, and runs of comments."""
    found: dict[int, types.FoldingRange] = {}
    for start, end, kind in [*_payload_folds(document), *_bracket_folds(document), *_comment_folds(document)]:
        if end > start:
            found.setdefault(start, types.FoldingRange(start, end, kind=kind))
    return [found[line] for line in sorted(found)]


Fold = tuple[int, int, types.FoldingRangeKind | None]


def _payload_folds(document: Document) -> Iterator[Fold]:
    for payload in document.reading.skeleton.payloads:
        first, last = (document.text.position(at).line for at in (payload.start, payload.end))
        yield first, last, types.FoldingRangeKind.Region


def _bracket_folds(document: Document) -> Iterator[Fold]:
    """The line of the closing bracket stays in sight."""
    for _, opening, closing in document.reading.words.blocks:
        yield document.word_range(opening).start.line, document.word_range(closing).start.line - 1, None


def _comment_folds(document: Document) -> Iterator[Fold]:
    lines = [document.word_range(w).start.line for w in document.reading.words.words if w.kind == "comment"]
    run: list[int] = []
    for line in [*lines, -1]:
        if run and line != run[-1] + 1:
            yield run[0], run[-1], types.FoldingRangeKind.Comment
            run = []
        run.append(line)
