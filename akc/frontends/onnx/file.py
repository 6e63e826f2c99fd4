# SPDX-License-Identifier: Apache-2.0
"""Opening an ONNX file: everything that can be wrong with the file itself, each with its own message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from akc.base.checked import Faults
from akc.base.diagnostics import DiagnosticError, error
from akc.base.files import read_bytes
from akc.frontends.onnx.checked import check_model

OLDEST_OPSET = 7
"""Before it, operators said by attributes how their operands are repeated."""


def load_model(source: Any) -> tuple[Any, str]:
    """An onnx.ModelProto and a name for its network, from a path, `-`, bytes or a ModelProto.

    Functions of the model are inlined, weights kept beside the file are read in. Raises DiagnosticError
    AKC0901 (no such file), AKC0301 (not ONNX, or cut short), AKC0302 (its weight file is missing),
    AKC0303 (opset older than 7, which onnx cannot convert) or AKC0313 (onnx is not installed).
    """
    onnx = import_onnx()
    folder, name, shown = None, "net", "the model"
    if isinstance(source, str | Path):
        path = Path(source)
        folder, name, shown = path.parent, path.stem if str(source) != "-" else "net", str(source)
        source = read_bytes(source)
    if isinstance(source, bytes | bytearray):
        source = _parsed(onnx, bytes(source), shown)
    _read_external(onnx, source, folder, shown)
    source = _with_open_axes(source)
    _check(onnx, source, shown)
    source = _new_enough(onnx, source, shown)
    if source.functions:
        source = _inlined(onnx, source, shown)
    return source, source.graph.name if name == "net" and source.graph.name else name


def _with_open_axes(model: Any) -> Any:
    """The model with the axes left open that a converter wrote as -1; the caller's own model stays as it is."""
    if not any(dim.dim_value == -1 for dim in _axes(model)):
        return model
    opened = type(model)()
    opened.CopyFrom(model)
    for dim in _axes(opened):
        if dim.dim_value == -1:
            dim.ClearField("dim_value")
    return opened


def _axes(model: Any) -> list[Any]:
    """The axes of all inputs, results and noted shapes."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    return [dim for value in values for dim in value.type.tensor_type.shape.dim]


def _check(onnx: Any, model: Any, name: str) -> None:
    """Raise DiagnosticError AKC0955 with every field of the model that does not fit."""
    faults = Faults(Path(name).name)
    check_model(onnx, model, faults)
    faults.stop()


def _inlined(onnx: Any, model: Any, name: str) -> Any:
    """The model with its functions put where they are called; raises AKC0301 where onnx cannot."""
    try:
        inlined = onnx.inliner.inline_local_functions(model)
    except Exception as fault:  # onnx raises several kinds
        reason = str(fault).strip().splitlines()[-1][:300] if str(fault).strip() else type(fault).__name__
        help = "export the model again without functions of its own"
        raise error("AKC0301", f"{name}: its functions cannot be put in place: {reason}", help=help) from None
    _check(onnx, inlined, name)
    return inlined


def import_onnx() -> Any:
    """The onnx package, or a diagnostic that says how to install it."""
    try:
        import onnx
        import onnx.inliner
        import onnx.reference
        import onnx.shape_inference
        import onnx.version_converter
    except ImportError:
        raise error("AKC0313", "reading ONNX needs the onnx package", help='pip install "akc[onnx]"') from None
    return onnx


def _parsed(onnx: Any, data: bytes, name: str) -> Any:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:  # protobuf's DecodeError has no stable home
        raise error("AKC0301", f"{name}: {_what_it_is(data)}", help=_WHOLE_AGAIN) from None
    if not model.graph.node and not model.graph.input:
        raise error("AKC0301", f"{name}: {_what_it_is(data)}", help=_WHOLE_AGAIN)
    return model


_WHOLE_AGAIN = "export or copy the file again: torch.onnx.export(model, example, 'net.onnx')"

_KNOWN_STARTS = (
    (b"PK", "a zip archive (a PyTorch .pt file?), not ONNX"),
    (b"\x80", "a Python pickle, not ONNX"),
    (b"\x89HDF", "an HDF5 file, not ONNX"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"<", "an HTML or XML page, not ONNX"),
)


def _what_it_is(data: bytes) -> str:
    """A guess from the first bytes, for the message."""
    if not data:
        return "the file is empty"
    for start, what in _KNOWN_STARTS:
        if data.startswith(start):
            return f"this is {what}"
    if data[0] == 0x08:
        return f"the file is cut short or damaged ({len(data)} bytes)"
    return "this is no ONNX file"


def tensors_of(graph: Any) -> Iterator[Any]:
    """Every stored tensor of a graph: initialisers and Constant nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _read_external(onnx: Any, model: Any, folder: Path | None, name: str) -> None:
    outside = [t for t in tensors_of(model.graph) if t.data_location == onnx.TensorProto.EXTERNAL]
    for tensor in outside:
        place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        help = (
            f"put {place} beside the .onnx file, as the exporter wrote it",
            "or store the weights inside: torch.onnx.export(..., external_data=False)",
        )
        if folder is None:
            raise error("AKC0302", f"{name}: weight {tensor.name} is kept in another file, {place}", help=help)
        try:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        except Exception as fault:
            raise error(
                "AKC0302",
                f"{name}: weight {tensor.name} cannot be read from {place}",
                label=str(fault).splitlines()[0],
                help=help,
            ) from None
        tensor.data_location = onnx.TensorProto.DEFAULT


def external_files(path: Path) -> list[Path]:
    """The files beside a model that hold its weights; none where it cannot be read."""
    try:
        model = _parsed(import_onnx(), read_bytes(path), str(path))
    except DiagnosticError:
        return []
    entries = (entry for tensor in tensors_of(model.graph) for entry in tensor.external_data)
    return sorted({path.parent / entry.value for entry in entries if entry.key == "location"})


def opset_of(model: Any) -> int:
    """The version of the standard operators that a model uses."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def _new_enough(onnx: Any, model: Any, name: str) -> Any:
    """The model, brought to a newer opset by onnx's converter where it is older than what akc has rows for."""
    opset = opset_of(model)
    if opset >= OLDEST_OPSET:
        return model
    try:
        converted = onnx.version_converter.convert_version(model, 13)
        _check(onnx, converted, name)
        return converted
    except DiagnosticError:
        raise
    except Exception as fault:  # the converter raises several kinds
        raise error(
            "AKC0303",
            f"{name}: the file uses opset {opset}; {OLDEST_OPSET} is the oldest that akc reads",
            label=f"onnx.version_converter: {str(fault).strip().splitlines()[0] if str(fault).strip() else 'failed'}",
            help="export it again with a newer opset_version",
        ) from None
