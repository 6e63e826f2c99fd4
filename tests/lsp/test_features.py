# SPDX-License-Identifier: Apache-2.0
"""Each feature of the language server through a client, as editors use it; the answers are golden."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities
from syrupy.assertion import SnapshotAssertion

from tests.lsp.session import COMMAND, TINY, Editor
from tests.lsp.transcript import STEPS, session, told


@pytest_lsp.fixture(scope="module", loop_scope="module", config=ClientServerConfig(server_command=COMMAND))
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    await lsp_client.initialize_session(types.InitializeParams(capabilities=client_capabilities("visual-studio-code")))
    yield
    await lsp_client.shutdown_session()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("name", STEPS)
async def test_feature(name: str, client: LanguageClient, text_snapshot: SnapshotAssertion) -> None:
    editor = Editor(client, f"file:///{name.replace(' ', '-')}.akir")
    await editor.open(TINY)
    assert await STEPS[name](editor) == text_snapshot
    assert editor.text == TINY


async def test_the_transcript_has_all_steps(client: LanguageClient) -> None:
    some = {name: STEPS[name] for name in list(STEPS)[:2]}
    assert await session(some, client) == "\n\n".join(
        ["== diagnostics, a sound text\nnothing is wrong", f"== diagnostics, syntax\n{SYNTAX}"]
    )


SYNTAX = "5:56-5:58 error AKC0001 this is not .akir syntax: found 'u4'\n    expected a whole number"


async def test_every_feature_is_offered(client: LanguageClient) -> None:
    """Also to a client that never asked; what is offered is what the transcript shows."""
    shown = {name.split(",")[0] for name in STEPS}
    assert shown == {
        "diagnostics", "hover", "completion", "definition", "references", "rename", "formatting", "folding", "symbols",
        "semantic tokens", "inlay hints", "code action", "command",
    }  # fmt: skip


async def test_faults_are_marked_as_one_types(client: LanguageClient) -> None:
    editor = Editor(client, "file:///typing.akir")
    await editor.open(TINY)
    editor.type("bits=4|)", "?")
    (fault,) = await editor.told()
    assert (fault.code, fault.range.start.line) == ("AKC0001", 5)
    # What can be known of a text that cannot be read: names still lead somewhere.
    found = await client.text_document_definition_async(types.DefinitionParams(**editor.at("return %|y")))
    assert isinstance(found, types.Location) and found.range.start.line == 15
    await editor.open(TINY)
    editor.type("  return|", " ")
    assert await editor.told() == []


async def test_the_target_is_a_setting(client: LanguageClient) -> None:
    editor = Editor(client, "file:///target.akir")
    await editor.open(TINY)
    await _take(client, {"akc": {"target": "akd1500"}})
    assert "on the akd1500" in await STEPS["hover, a value"](editor)
    await _take(client, {"target": "akd1000"})
    assert "on the akd1000" in await STEPS["hover, a value"](editor)


async def _take(client: LanguageClient, settings: object) -> None:
    """New settings; every open text is checked again."""
    client.diagnostics.clear()
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    while "file:///target.akir" not in client.diagnostics:
        await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)


async def test_a_target_that_is_unknown_is_said(client: LanguageClient) -> None:
    client.messages.clear()
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"target": "akd100"}))
    await client.wait_for_notification(types.WINDOW_SHOW_MESSAGE)
    assert "akd100" in client.messages[-1].message and "akd1000" in client.messages[-1].message


@pytest.mark.parametrize(("new", "words"), [("1x", "1x is no name"), ("#fc2.weights", "#fc2.weights is taken")])
async def test_a_name_that_will_not_do_is_said(client: LanguageClient, new: str, words: str) -> None:
    """AKC0947, as a message of the editor."""
    editor = Editor(client, f"file:///rename-{len(new)}.akir")
    await editor.open(TINY)
    client.messages.clear()
    params = types.RenameParams(new_name=new, **editor.at("weights=#fc1|"))
    assert await client.text_document_rename_async(params) is None
    while not client.messages:
        await client.wait_for_notification(types.WINDOW_SHOW_MESSAGE)
    assert words in client.messages[-1].message


async def test_a_text_with_faults_is_not_formatted(client: LanguageClient) -> None:
    editor = Editor(client, "file:///broken.akir")
    await editor.open(TINY.replace("return %y", "return %z"))
    client.messages.clear()
    options = types.FormattingOptions(tab_size=2, insert_spaces=True)
    params = types.DocumentFormattingParams(editor.identifier, options)
    assert await client.text_document_formatting_async(params) is None
    while not client.messages:
        await client.wait_for_notification(types.WINDOW_SHOW_MESSAGE)
    assert "%z is returned and not defined" in client.messages[-1].message


async def test_a_text_that_was_closed_is_forgotten(client: LanguageClient) -> None:
    editor = Editor(client, "file:///closed.akir")
    await editor.open(TINY.replace("return %y", "return %z"))
    client.text_document_did_close(types.DidCloseTextDocumentParams(editor.identifier))
    assert await editor.told() == []
    with pytest.raises(JsonRpcException, match="is not open"):
        await client.text_document_hover_async(types.HoverParams(**editor.at("return|")))


async def test_letters_outside_of_ascii_keep_columns_right(client: LanguageClient) -> None:
    editor = Editor(client, "file:///letters.akir")
    found = await editor.open(TINY.replace('"fc1", "relu1"', '"fc1 \U0001f9e0 größer", "relu1" ?'))
    assert told(found).startswith("12:")
    line = editor.text.split("\n")[12]
    assert found[0].range.start.character == len(line[: line.index("?")].encode("utf-16-le")) // 2


@pytest.mark.parametrize("editor", ["neovim", "emacs", "visual-studio-code"])
async def test_editors_start_it(editor: str) -> None:
    config = ClientServerConfig(server_command=COMMAND)
    client = await config.start()
    assert isinstance(client, LanguageClient)
    answer = await client.initialize_session(types.InitializeParams(capabilities=client_capabilities(editor)))
    offered = answer.capabilities
    assert offered.hover_provider and offered.rename_provider and offered.code_action_provider
    await client.shutdown_session()
    assert client._server is not None and client._server.returncode == 0
    await client.stop()
