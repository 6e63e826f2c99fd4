# SPDX-License-Identifier: Apache-2.0
"""The server: which request is answered by what, and when a text is checked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import unquote

from attrs import define, field
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.uris import to_fs_path

from akc import __version__
from akc.base.diagnostics import DiagnosticError
from akc.lsp import actions, completion, hover, navigation, painting, work
from akc.lsp.checking import Numbers, diagnostics, judge
from akc.lsp.document import Document, Judgement, Reading
from akc.lsp.text import Text
from akc.targets import load_target

QUIET = 0.2
"""Seconds without a keystroke after which numbers, limits and places are looked at."""

Answer = Callable[[Document, Any], Any]

FEATURES: dict[str, tuple[Answer, Any]] = {
    types.TEXT_DOCUMENT_HOVER: (hover.hover, None),
    types.TEXT_DOCUMENT_COMPLETION: (completion.completion, types.CompletionOptions(completion.TRIGGERS)),
    types.TEXT_DOCUMENT_DEFINITION: (navigation.definition, None),
    types.TEXT_DOCUMENT_REFERENCES: (navigation.references, None),
    types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT: (navigation.highlight, None),
    types.TEXT_DOCUMENT_PREPARE_RENAME: (navigation.prepare_rename, None),
    types.TEXT_DOCUMENT_RENAME: (navigation.rename, types.RenameOptions(prepare_provider=True)),
    types.TEXT_DOCUMENT_FORMATTING: (work.formatting, None),
    types.TEXT_DOCUMENT_FOLDING_RANGE: (navigation.folding, None),
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: (navigation.symbols, None),
    types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL: (painting.semantic_tokens, painting.LEGEND),
    types.TEXT_DOCUMENT_INLAY_HINT: (painting.inlay_hints, None),
    types.TEXT_DOCUMENT_CODE_ACTION: (
        actions.code_actions,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    ),
}
"""Request and what answers it from the document that it names."""

COMMANDS = {"akc.report": work.report, "akc.passes": work.after_each_pass}
"""Commands that get the address of an open text."""


class Protocol(LanguageServerProtocol):
    """pygls' protocol, but for its copies of the texts, which it keeps as lists of lines."""

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: Any) -> Generator[Any, Any, None]:
        """A text was opened."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: Any) -> Generator[Any, Any, None]:
        """A text was edited."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: Any) -> Generator[Any, Any, None]:
        """A text was closed."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE], (params,), None


@define(eq=False)
class Desk:
    """The open texts, the target that they are checked for, and the checks that are under way."""

    server: LanguageServer
    target: str
    documents: dict[str, Document] = field(factory=dict)
    numbers: dict[str, Numbers] = field(factory=dict)
    checks: dict[str, asyncio.Task[None]] = field(factory=dict)
    judges: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1))
    """One thread: answers to the editor never wait for more than one judgement."""

    def document(self, uri: str) -> Document:
        """An open text; raises an error of the protocol for another one."""
        found = self.documents.get(unquote(uri))
        if found is None:
            raise JsonRpcInvalidParams(f"{uri} is not open")
        return found

    # -- texts -------------------------------------------------------------------------------------

    def opened(self, params: types.DidOpenTextDocumentParams) -> None:
        """Take a text over."""
        item = params.text_document
        key = unquote(item.uri)
        encoding = types.PositionEncodingKind(self.server.workspace.position_encoding or "utf-16")
        name = to_fs_path(item.uri) or item.uri
        self.documents[key] = Document(item.uri, name, Text(item.text, encoding), item.version)
        self.numbers[key] = Numbers()
        self.check(key)

    def edited(self, params: types.DidChangeTextDocumentParams) -> None:
        """Follow an edit."""
        key = unquote(params.text_document.uri)
        document = self.document(key)
        for change in params.content_changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                document.text.edit(change.range, change.text)
            else:
                document.text.replace(change.text)
        document.changed(params.text_document.version)
        document.judgement = Judgement(document.judgement.target, (), document.judgement.layers)
        self.check(key)

    def closed(self, params: types.DidCloseTextDocumentParams) -> None:
        """Let a text go."""
        key = unquote(params.text_document.uri)
        if key in self.checks:
            self.checks.pop(key).cancel()
        self.documents.pop(key, None)
        self.numbers.pop(key, None)
        self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))

    # -- checks ------------------------------------------------------------------------------------

    def check(self, key: str) -> None:
        """Check a text anew; a check of an older version is dropped."""
        if key in self.checks:
            self.checks[key].cancel()
        self.checks[key] = asyncio.ensure_future(self._check(key))

    async def _check(self, key: str) -> None:
        """Tell faults of the text at once; without any, the old marks stay until the numbers are checked, too."""
        document = self.documents[key]
        await asyncio.sleep(0)
        reading = document.reading
        faulty = reading.module is None or any(d.severity == "error" for d in reading.found)
        if faulty:
            self._tell(document)
        await asyncio.sleep(QUIET)
        if not faulty and reading.module is not None:
            run = partial(self._judge, document, reading, self.numbers[key])
            judgement = await asyncio.get_running_loop().run_in_executor(self.judges, run)
            if judgement is not None and document.reading is reading:
                document.judgement = judgement
                self._tell(document)
                self._refresh_hints()

    def _judge(self, document: Document, reading: Reading, numbers: Numbers) -> Judgement | None:
        """The judgement of a version; None where the text has moved on before its turn came."""
        if document.known is not reading or reading.module is None:
            return None
        return judge(reading.module, self.target, numbers)

    def _tell(self, document: Document) -> None:
        found = diagnostics(document)
        self.server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, found, document.version)
        )

    def _refresh_hints(self) -> None:
        workspace = self.server.client_capabilities.workspace
        if workspace and workspace.inlay_hint and workspace.inlay_hint.refresh_support:
            self.server.workspace_inlay_hint_refresh(None)

    # -- settings ----------------------------------------------------------------------------------

    def settings(self, found: Any) -> None:
        """Take the target of settings such as {"target": "akd1500"} or {"akc": {"target": ...}}; say what is wrong."""
        inner = found.get("akc", found) if isinstance(found, dict) else {}
        target = inner.get("target") if isinstance(inner, dict) else None
        if target in (None, self.target):
            return
        try:
            load_target(target)
        except DiagnosticError as fault:
            self.say(fault)
            return
        self.target = target
        for key in self.documents:
            self.check(key)

    def say(self, fault: DiagnosticError) -> None:
        """Show a fault to the user."""
        words = [" ".join([d.message, *(f"({way})" for way in d.help)]) for d in fault.diagnostics]
        self.server.window_show_message(types.ShowMessageParams(types.MessageType.Error, "\n".join(words)))


def make_server(target: str) -> LanguageServer:
    """A server that checks for this target until the client's settings name another."""
    server = LanguageServer("akc", __version__, protocol_cls=Protocol)
    desk = Desk(server, target)
    server.feature(types.INITIALIZE)(lambda params: desk.settings(params.initialization_options))
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(lambda params: desk.settings(params.settings))
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(lambda params: desk.opened(params))
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(lambda params: desk.edited(params))
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(lambda params: desk.closed(params))
    for method, (answer, options) in FEATURES.items():
        server.feature(method, options)(_answering(desk, answer))
    for name, make in COMMANDS.items():
        server.command(name)(_working(desk, make))
    return server


def _answering(desk: Desk, answer: Answer) -> Callable[[Any], Any]:
    def respond(params: Any) -> Any:
        try:
            return answer(desk.document(params.text_document.uri), params)
        except DiagnosticError as fault:
            desk.say(fault)
            return None

    return respond


def _working(desk: Desk, make: Callable[..., Any]) -> Callable[..., Any]:
    async def respond(uri: str) -> Any:
        try:
            run = partial(make, work.sound(desk.document(uri)), desk.target)
            return await asyncio.get_running_loop().run_in_executor(None, run)
        except DiagnosticError as fault:
            desk.say(fault)
            return None

    return respond


def serve(target: str) -> None:
    """Serve one client on stdin and stdout until it says good-bye; pygls closes what it is given."""
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        make_server(target).start_io(requests, answers)
