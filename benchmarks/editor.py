# SPDX-License-Identifier: Apache-2.0
"""How long an editor waits for `akc lsp` on a text of 10 MB, or on a text that is given: a real client, a real server.

python benchmarks/editor.py [FILE.akir] [ROUNDS]

Each round types one character into the net, then asks; an answer comes after the server has taken the edit in.
Where other work keeps the machine busy, waiting grows; the last column is what the server itself computed (on Linux),
checks in the background included.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from akc.ir.module import Module, Net, Op, Sequence, Value
from akc.ir.ops.akida import Convolutional, FullyConnected
from akc.ir.printer import print_module
from akc.ir.types import TensorType
from akc.ir.weights import Weight

SIDE, CHANNELS, DEPTH, UNITS = 16, 64, 12, 580
URI = "file:///large.akir"


def network() -> Module:
    """Convolutions and one dense layer that the chip takes; ten million int4 weights."""
    rng = np.random.default_rng(0)
    map_type = TensorType("u4", (SIDE, SIDE, CHANNELS))
    weights = {f"c{n}": Weight.of(rng.integers(-7, 8, (CHANNELS, 3, 3, CHANNELS)), "i4") for n in range(DEPTH)}
    weights["fc"] = Weight.of(rng.integers(-7, 8, (UNITS, SIDE * SIDE * CHANNELS)), "i4")
    layers: list[Op] = [
        Convolutional(result=Value(f"v{n}", map_type), x=f"v{n - 1}" if n else "x", weights=f"c{n}", act_bits=4)
        for n in range(DEPTH)
    ]
    last = Value("y", TensorType("i32", (1, 1, UNITS)))
    layers.append(FullyConnected(result=last, x=f"v{DEPTH - 1}", weights="fc", activation=False))
    net = Net(
        name="large",
        inputs=(Value("x", map_type),),
        statements=(Sequence(name="s0", ops=tuple(layers)),),
        outputs=("y",),
        output_types=(last.type,),
    )
    return Module(net=net, weights=weights)


Ask = Callable[[LanguageClient, types.TextDocumentIdentifier, types.Position], Awaitable[Any]]
TOP = types.Range(types.Position(0, 0), types.Position(60, 0))

QUESTIONS: dict[str, Ask] = {
    "hover": lambda c, text, at: c.text_document_hover_async(types.HoverParams(text, at)),
    "completion": lambda c, text, at: c.text_document_completion_async(types.CompletionParams(text, at)),
    "definition": lambda c, text, at: c.text_document_definition_async(types.DefinitionParams(text, at)),
    "references": lambda c, text, at: c.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(True), text, at)
    ),
    "rename": lambda c, text, at: c.text_document_rename_async(types.RenameParams(text, at, "other")),
    "folding": lambda c, text, at: c.text_document_folding_range_async(types.FoldingRangeParams(text)),
    "symbols": lambda c, text, at: c.text_document_document_symbol_async(types.DocumentSymbolParams(text)),
    "semantic tokens": lambda c, text, at: c.text_document_semantic_tokens_full_async(types.SemanticTokensParams(text)),
    "inlay hints": lambda c, text, at: c.text_document_inlay_hint_async(types.InlayHintParams(text, TOP)),
    "code actions": lambda c, text, at: c.text_document_code_action_async(
        types.CodeActionParams(text, TOP, types.CodeActionContext([]))
    ),
}


def cpu(client: LanguageClient) -> float:
    """Seconds of processor time that the server has taken; nan where the system does not say."""
    server = client._server
    file = Path(f"/proc/{getattr(server, 'pid', 0)}/stat")
    if not file.exists():
        return float("nan")
    user, system = file.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


Times = dict[str, tuple[list[float], float]]


async def measure(text: str, rounds: int) -> Times:
    """Seconds of each round by question and until faults are marked; with the server's own seconds a round."""
    client, told = LanguageClient("benchmark", "1"), asyncio.Event()
    client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: told.set())
    await client.start_io(str(Path(sys.executable).parent / "akc"), "lsp")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    item = types.TextDocumentItem(URI, "akir", 0, text)
    start = time.perf_counter()
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    await told.wait()
    found: Times = {"opening, all checks": ([time.perf_counter() - start], cpu(client))}
    versions = iter(range(1, 1_000_000))
    for name, ask in QUESTIONS.items():
        before = cpu(client)
        taken = [await _one(client, next(versions), ask, text) for _ in range(rounds)]
        found[f"keystroke, {name}"] = taken, (cpu(client) - before) / rounds
    before = cpu(client)
    taken = [await _mark(client, versions, told) for _ in range(rounds)]
    found["keystroke, a fault is marked"] = taken, (cpu(client) - before) / rounds
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return found


def _type(client: LanguageClient, version: int, old: int, new: str) -> None:
    """Put `new` in place of `old` characters behind the first line."""
    where = types.Range(types.Position(1, 0), types.Position(1, old))
    change = types.TextDocumentContentChangePartial(where, new)
    text = types.VersionedTextDocumentIdentifier(version, URI)
    client.text_document_did_change(types.DidChangeTextDocumentParams(text, [change]))


async def _one(client: LanguageClient, version: int, ask: Ask, text: str) -> float:
    lines = text[:20_000].split("\n")
    line = next(n for n, words in enumerate(lines) if "akida." in words)
    start = time.perf_counter()
    _type(client, version, 0, " ")
    await ask(client, types.TextDocumentIdentifier(URI), types.Position(line, lines[line].index("%") + 1))
    taken = time.perf_counter() - start
    await asyncio.sleep(0.3 if version % 5 == 0 else 0)
    return taken


async def _mark(client: LanguageClient, versions: Any, told: asyncio.Event) -> float:
    """From a character that breaks the syntax to the message that marks it."""
    told.clear()
    start = time.perf_counter()
    _type(client, next(versions), 0, "?")
    await told.wait()
    taken = time.perf_counter() - start
    _type(client, next(versions), 1, "")
    await asyncio.sleep(0.05)
    return taken


def main(file: str | None, rounds: int) -> None:
    """Print the table."""
    text = Path(file).read_text() if file else print_module(network())
    found = asyncio.run(measure(text, rounds))
    print(f"{len(text) / 1e6:.1f} MB of text, {rounds} rounds; milliseconds")
    print(f"{'':32} {'median':>8} {'worst':>8} {'server':>8}")
    for name, (seconds, own) in found.items():
        print(f"{name:32} {1e3 * statistics.median(seconds):8.1f} {1e3 * max(seconds):8.1f} {1e3 * own:8.1f}")


if __name__ == "__main__":
    names = [word for word in sys.argv[1:] if not word.isdigit()]
    counts = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(names[0] if names else None, counts[0] if counts else 15)
