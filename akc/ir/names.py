# SPDX-License-Identifier: Apache-2.0
"""Names of the text from names of the source: the same source always gives the same names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.]+")


def text_name(source: str, otherwise: str = "value") -> str:
    """A legal name of the text, `[A-Za-z_][\\w.]*`, from any string.

    >>> text_name("fc1"), text_name("onnx::Gemm_0"), text_name("3x3"), text_name("/")
    ('fc1', 'Gemm_0', '_3x3', 'value')
    """
    name = _FORBIDDEN.sub("_", source.removeprefix("onnx::")).strip("_")
    if not name:
        return otherwise
    return name if name[0].isalpha() or name[0] == "_" else f"_{name}"


def scope_path(scopes: Iterable[str]) -> str:
    """A module path from nested scopes, where a scope may repeat its parent's path (nn.Sequential does).

    >>> scope_path(["features", "features.0"]), scope_path(["layer1", "block", "conv"])
    ('features.0', 'layer1.block.conv')
    """
    path = ""
    for scope in scopes:
        path = scope if not path or scope == path or scope.startswith(f"{path}.") else f"{path}.{scope}"
    return path


def parameter_owner(parameter: str) -> str:
    """The module that a parameter belongs to, "" where its name does not tell.

    >>> parameter_owner("features.0.weight"), parameter_owner("val_7"), parameter_owner("lstm.weight_ih_l0")
    ('features.0', '', 'lstm')
    """
    owner, _, last = parameter.rpartition(".")
    known = last.startswith(("weight", "bias", "in_proj_", "running_", "alpha"))
    return owner if known and not parameter.startswith("onnx::") else ""
