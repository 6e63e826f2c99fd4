# SPDX-License-Identifier: Apache-2.0
"""The samples that went worst, with their pictures."""

from __future__ import annotations

from attrs import frozen

from akc.compiler.samples import SampleSet
from akc.html.pictures import picture
from akc.sim.compare import Comparison, WorstSample


@frozen
class Worst:
    """One of the worst samples. picture: a data URI, or None where it is no picture."""

    sample: WorstSample
    picture: str | None


def pictured(comparison: Comparison, samples: SampleSet) -> tuple[Worst, ...]:
    """The worst samples of a comparison with the pictures of their first input."""
    first = next(iter(samples.inputs.values()))
    return tuple(Worst(one, picture(first[one.index])) for one in comparison.worst)
