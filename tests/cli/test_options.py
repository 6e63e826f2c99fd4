# SPDX-License-Identifier: Apache-2.0
"""The command line repeats a few words, so that help need not load what they are the words of; here they agree."""

from __future__ import annotations

import attrs
import click
import pytest

from akc.cli.main import cli
from akc.cli.options import Listed
from akc.compiler import sources
from akc.frontends.spiking.reader import CODINGS, READOUTS, SpikingOptions
from akc.frontends.spiking.refusals import REFUSALS
from akc.passes.shared.neurons import spikes
from akc.targets import load_target, target_names
from tests.cli.runner import akc


def _choices(verb: str, option: str) -> tuple[str, ...]:
    found = next(p for p in cli.commands[verb].params if option in p.opts)
    assert isinstance(found.type, click.Choice)
    return tuple(found.type.choices)


def test_words_agree() -> None:
    assert set(sources.SPIKING) == {f.name for f in attrs.fields(SpikingOptions)} - {"notes"}
    assert set(_choices("lower", "--spikes")) == set(spikes.WAYS)
    assert _choices("lower", "--readout") == READOUTS
    assert _choices("lower", "--coding") == CODINGS


def test_what_can_be_accepted_is_named_where_it_is_refused() -> None:
    for reason, row in REFUSALS.items():
        assert row.acceptable == any(f"--accept {reason}" in words for words in row.help), reason


def test_an_unknown_reason_is_refused_with_the_one_that_was_meant() -> None:
    result = akc("lower", "akc_no_such_file.nir", "--accept", "one-spik")
    assert result.code == 1 and "AKC0912" in result.stderr
    assert "did you mean one-spike? There are: one-spike, lateral, rate-pooling" in result.stderr


def test_ways_to_place_and_to_cut_are_the_targets() -> None:
    for option, of in (("--place", "modes"), ("--cut", "cuts")):
        found = next(p for p in cli.commands["build"].params if option in p.opts)
        assert isinstance(found.type, Listed)
        assert set(found.type.words()) == {word for name in target_names() for word in getattr(load_target(name), of)}


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_every_option_is_explained(verb: str) -> None:
    command = cli.commands[verb]
    context = click.Context(command)
    assert "..." not in command.get_short_help_str(66), "the first sentence does not fit into the list of verbs"
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            assert parameter.help and parameter.help.endswith((".", "]", "0.8"))
