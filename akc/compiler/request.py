# SPDX-License-Identifier: Apache-2.0
"""What one call of `akc.lower` asks for, as one value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from akc.base.calls import is_shape

PassOptions = Mapping[str, Mapping[str, Any]]


def _shapes(example: Any) -> Any:
    """Shapes of the example inputs, or the tensors themselves."""
    if example is None:
        return ()
    return (tuple(int(n) for n in example),) if is_shape(example) else example


def _no_options(options: PassOptions | None) -> PassOptions:
    return options or {}


def _path(folder: str | os.PathLike[str] | None) -> Path | None:
    return None if folder is None else Path(folder)


@frozen(kw_only=True)
class LowerRequest:
    """The keywords of `akc.lower`, checked; example: shapes or tensors, () for none; spiking: by name."""

    source: Any
    example: Any = field(default=(), converter=_shapes)
    target: str = "akd1000"
    calibrate: Any = None
    tune: Any = None
    input_range: tuple[float, float] | None = None
    pipeline: str | None = None
    host: str = "refuse"
    dump_dir: Path | None = field(default=None, converter=_path)
    options: PassOptions = field(factory=dict, converter=_no_options)
    spikes: str | None = None
    least: float | None = None
    check: str = "quick"
    spiking: Mapping[str, Any] = field(factory=dict)
