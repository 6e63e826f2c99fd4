# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests: snapshots as .akir files, and sample networks."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.printer import print_module


class AkirExtension(SingleFileSnapshotExtension):
    """One readable .akir file a snapshot; each is checked to parse and print to itself."""

    file_extension = "akir"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: Any, **kwargs: Any) -> str:
        """Text of a module (long weights elided) or the text itself."""
        text = print_module(data, elide=True) if isinstance(data, Module) else str(data)
        assert print_module(parse(text)) == text
        return text


@pytest.fixture
def akir_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """`assert module == akir_snapshot(name="after")` compares with tests/.../__snapshots__/..."""
    return snapshot.use_extension(AkirExtension)


class TextExtension(SingleFileSnapshotExtension):
    """One .txt file a snapshot: what a user reads."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: Any, **kwargs: Any) -> str:
        """The text itself."""
        return str(data)


@pytest.fixture
def text_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """`assert message == text_snapshot(name="bad")`."""
    return snapshot.use_extension(TextExtension)


# A shell ignores SIGINT for what it runs in the background, and processes hand that on; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
