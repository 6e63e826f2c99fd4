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
from akc.passes.shared.neurons import spikes
from akc.targets import load_target, target_names


def _choices(verb: str, option: str) -> tuple[str, ...]:
    found = next(p for p in cli.commands[verb].params if option in p.opts)
    assert isinstance(found.type, click.Choice)
    return tuple(found.type.choices)


def test_words_agree() -> None:
    assert set(sources.SPIKING) == {f.name for f in attrs.fields(SpikingOptions)} - {"notes"}
    assert set(_choices("lower", "--spikes")) == set(spikes.WAYS)
    assert _choices("lower", "--readout") == READOUTS
    assert _choices("lower", "--coding") == CODINGS


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
