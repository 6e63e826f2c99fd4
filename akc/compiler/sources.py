# SPDX-License-Identifier: Apache-2.0
"""What akc can read, as a table: how each kind of source is recognised and which frontend reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from akc.base.budget import account
from akc.base.calls import unfit
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.files import nearly, read_bytes, read_text
from akc.compiler.reading_again import refuse_too_large
from akc.ir.module import Module

if TYPE_CHECKING:
    from akc.frontends.spiking.reader import SpikingOptions


SPIKING = ("steps", "dt", "coding", "readout", "reset", "accept", "topology", "producer")
"""Options about spiking sources."""


@frozen(kw_only=True)
class Opened:
    """A source after it was read, for those who want to run it.

    kind: its ending as in `SOURCES`, or "torch" for a live module; thing: its path, or the module or model itself;
    example: what a module was traced with; spiking: the user's options about spiking sources; by: the frontend of
    another package that read it.
    """

    kind: str
    thing: Any
    example: Any = ()
    spiking: Mapping[str, Any] = field(factory=dict)
    by: SourceKind | None = None


@frozen(kw_only=True)
class Options:
    """What a user may say about a source, beyond its name.

    example: shapes of the example inputs with their batch axis, or tensors, for tracing PyTorch and for
    open axes of ONNX files;
    spiking: fields of akc.frontends.spiking.reader.SpikingOptions (steps, dt, readout, reset, topology ...);
    warn: called with each warning of a frontend; opened: the source that was read is appended here.
    """

    example: Any = ()
    spiking: Mapping[str, Any] = field(factory=dict)
    warn: Callable[[Diagnostic], None] = lambda warning: None
    opened: list[Opened] = field(factory=list)

    def warn_of_unread(self, name: str, read: frozenset[str]) -> None:
        """Warn of every option that was given and that the reader of this source does not look at."""
        given = [key for key, value in self.spiking.items() if value] + (["example"] if self.example != () else [])
        unread = [f"--{key}" for key in given if key not in read]
        if unread:
            verb = "says" if len(unread) == 1 else "say"
            message = f"{' and '.join(unread)} {verb} nothing about {name}"
            self.warn(
                Diagnostic(code="AKC0911", message=message, help=f"leave {'it' if verb == 'says' else 'them'} out")
            )

    def for_spikes(self) -> SpikingOptions:
        """The options as the spiking frontends take them."""
        from akc.frontends.spiking.reader import SpikingOptions

        return SpikingOptions(**{k: v for k, v in self.spiking.items() if v is not None})

    def noting(self, read: Callable[[SpikingOptions], Module]) -> Module:
        """Read with a spiking frontend and pass its warnings on."""
        options = self.for_spikes()
        try:
            return read(options)
        finally:
            for warning in options.notes:
                self.warn(warning)


def _read_akir(path: str, options: Options) -> Module:
    from akc.ir.parser import parse

    return parse(read_text(path), "<stdin>" if path == "-" else path)


def _read_onnx(path: str, options: Options) -> Module:
    from akc.frontends.onnx.importer import read_onnx

    return read_onnx(path, readout=options.spiking.get("readout"), example=options.example)


def _read_factory(path: str, options: Options) -> Module:
    from akc.frontends.torch.factory import load_factory

    try:
        module, example = load_factory(path, options.example)
    except DiagnosticError as fault:
        from akc.frontends.spiking.refusals import explained

        raise explained(fault) from None
    return _read_torch(module, example, options)


LIVE = {
    "snntorch": "read_snntorch",
    "norse": "read_norse",
    "spikingjelly": "read_spikingjelly",
    "sinabs": "read_sinabs",
}
"""Packages of spiking layers, and the readers of live modules, each in the file of the package's name."""

UNREAD_FRAMEWORKS = {"bindsnet", "lava", "rockpool", "braincog", "stork", "SpykeTorch"}
"""Packages of spiking neurons that no frontend reads live."""


def _read_torch(module: Any, example: Any, options: Options) -> Module:
    """A live module, read by the frontend of the framework whose neurons it holds."""
    options.opened.append(Opened(kind="torch", thing=module, example=example, spiking=options.spiking))
    from akc.frontends.spiking.timeloop import packages_of

    package = next((one for one in LIVE if one in packages_of(module)), None)
    if package is not None:
        read = getattr(import_module(f"akc.frontends.spiking.{package}"), LIVE[package])
        return options.noting(lambda spiking: read(module, example, spiking))
    unread = sorted(packages_of(module) & UNREAD_FRAMEWORKS)
    if unread:
        raise error(
            "AKC0386",
            f"{type(module).__name__} holds modules of {' and '.join(unread)}, which akc does not read live",
            help=(
                "docs/compatibility.md lists those it reads",
                "or export the network as NIR, where the framework can",
            ),
        )
    from akc.frontends.torch.export import read_torch

    options.warn_of_unread("a network without spiking neurons", frozenset({"example"}))
    return read_torch(module, example)


def _read_statedict(path: str, options: Options) -> Module:
    from akc.frontends.spiking.weights import read_statedict

    return options.noting(lambda spiking: read_statedict(path, spiking))


def _read_nir(path: str, options: Options) -> Module:
    from akc.frontends.spiking.nir import read_nir

    return options.noting(lambda spiking: read_nir(path, spiking))


def _read_lava(path: str, options: Options) -> Module:
    from akc.frontends.spiking.lava import read_lava

    return options.noting(lambda spiking: read_lava(path, spiking))


def _read_fbz(path: str, options: Options) -> Module:
    from akc.fbz.reading import read

    return read(read_bytes(path), path)


def _read_program(path: str, options: Options) -> Module:
    from akc.targets import target_of

    program = read_bytes(path)
    return target_of(program).recover(program)


def _read_akd(path: str, options: Options) -> Module:
    from akc.compiler.program import load

    return load(path).module


@frozen(kw_only=True)
class SourceKind:
    """A row: the ending that marks the kind, what to call it, who reads it, which options it looks at.

    takes: whether `read` takes a live object in place of a path; run: what computes a source without its reader, an
    akc.compiler.checks.answers.SourceRunner, for sources of other packages (docs/writing-a-frontend.md).
    """

    suffix: str
    what: str
    read: Callable[[Any, Options], Module] = field(repr=False)
    options: frozenset[str] = frozenset()
    takes: Callable[[Any], bool] = field(default=lambda source: False, repr=False)
    run: Callable[[Opened, Module], Any] | None = field(default=None, repr=False)


_SPIKING = frozenset(SPIKING) - {"topology", "producer"}


SOURCES: tuple[SourceKind, ...] = (
    SourceKind(suffix=".akir", what="akc's own text, at any level", read=_read_akir),
    SourceKind(
        suffix=".onnx", what="ONNX, opset 7 and later", read=_read_onnx, options=frozenset({"readout", "example"})
    ),
    SourceKind(
        suffix=".py:",
        what="PyTorch, file.py:factory, with --example SHAPE",
        read=_read_factory,
        options=_SPIKING | {"example"},
    ),
    SourceKind(
        suffix=".pt",
        what="snnTorch weights, with --topology; BindsNET networks",
        read=_read_statedict,
        options=_SPIKING | {"topology"},
    ),
    SourceKind(
        suffix=".safetensors",
        what="snnTorch weights, with --topology",
        read=_read_statedict,
        options=_SPIKING | {"topology"},
    ),
    SourceKind(suffix=".nir", what="a NIR graph", read=_read_nir, options=_SPIKING | {"producer"}),
    SourceKind(suffix=".net", what="a network of lava-dl (netx)", read=_read_lava, options=_SPIKING),
    SourceKind(suffix=".fbz", what="the vendor's model file", read=_read_fbz),
    SourceKind(suffix=".akd", what="a network that akc built", read=_read_akd),
    SourceKind(suffix=".bin", what="a program of the chip, info and data in one file", read=_read_program),
)


GROUP = "akc.frontends"
"""The entry points by which other packages add a kind of source: a name, and `package.module:object`."""


def other_sources() -> tuple[SourceKind, ...]:
    """The kinds of sources that other packages bring, by name; raises DiagnosticError AKC0920 for what is none."""
    found: list[SourceKind] = []
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        found.append(_loaded(point, (*SOURCES, *found)))
    return tuple(found)


def _loaded(point: EntryPoint, known: tuple[SourceKind, ...]) -> SourceKind:
    """The record behind an entry point."""
    try:
        kind = point.load()
        wrong = _lacks(kind, known)
    except Exception as fault:
        wrong = f"{type(fault).__name__}: {fault}"
    if wrong:
        raise error(
            "AKC0920",
            f"the frontend {point.name} of {point.value} cannot be taken: {wrong}",
            help="docs/writing-a-frontend.md says what a frontend is; or take the package away that adds it",
        )
    return kind  # type: ignore[no-any-return]


def _lacks(kind: Any, known: tuple[SourceKind, ...]) -> str:
    """What keeps an object from being a frontend beside those that are known; "" for one."""
    if not isinstance(kind, SourceKind):
        return f"it is no SourceKind but {type(kind).__name__}"
    suffix = kind.suffix
    if not isinstance(suffix, str) or not suffix.startswith(".") or len(suffix) < 2 or suffix != suffix.lower():
        return f"its ending is {suffix!r}; one such as '.stack', in small letters, is needed"
    taken = next((one for one in known if suffix.endswith(one.suffix) or one.suffix.endswith(suffix)), None)
    if taken is not None:
        return f"files that end in {suffix} are {taken.what}"
    return (
        ""
        if callable(kind.read) and callable(kind.takes) and (kind.run is None or callable(kind.run))
        else ("read, takes and run must be functions")
    )


def find_kind(name: str) -> SourceKind:
    """The row for a file name; `-` is .akir text. Raises DiagnosticError AKC0904, AKC0920."""
    if name == "-":
        return SOURCES[0]
    lowered = name.lower()
    for kind in SOURCES:
        if kind.suffix.endswith(":") and kind.suffix in lowered:
            return kind
        if lowered.endswith(kind.suffix):
            return kind
    others = other_sources()
    for kind in others:
        if lowered.endswith(kind.suffix):
            return kind
    known = ", ".join(kind.suffix.replace(".py:", "file.py:factory") for kind in (*SOURCES, *others))
    help = [f"akc reads {known}; `akc lower --help` says more"]
    if lowered.endswith(".py"):
        help.insert(0, f"name the function that makes the model: {name}:make_model --example 1,1,28,28")
    if not Path(name).exists() and (meant := nearly(name)):
        help.insert(0, meant)
    raise error("AKC0904", f"{name}: the ending {Path(name).suffix or '(none)'} is not known", help=help)


def read_source(source: Any, options: Options | None = None) -> Module:
    """The module of a file name, an ONNX model, a live torch module, what a frontend of another package takes, or a
    Module (given back as it is).

    A live torch module needs options.example.
    """
    if isinstance(source, Module):
        return source
    with account():
        module = _read(source, options or Options())
        refuse_too_large(module)
    return module


def _read(source: Any, options: Options) -> Module:
    if isinstance(source, str | Path):
        kind = find_kind(str(source))
        options.warn_of_unread(str(source), kind.options)
        if kind.suffix != ".py:":
            by = None if kind in SOURCES else kind
            options.opened.append(Opened(kind=kind.suffix, thing=str(source), spiking=options.spiking, by=by))
        return kind.read(str(source), options)
    if type(source).__module__.startswith("onnx"):
        from akc.frontends.onnx.importer import read_onnx

        options.opened.append(Opened(kind=".onnx", thing=source, spiking=options.spiking))
        return read_onnx(source, readout=options.spiking.get("readout"), example=options.example)
    if any(base.__module__.startswith("torch.nn") for base in type(source).__mro__):
        return _read_torch(source, options.example, options)
    other = next((kind for kind in other_sources() if kind.takes(source)), None)
    if other is not None:
        opened = Opened(kind=other.suffix, thing=source, example=options.example, spiking=options.spiking, by=other)
        options.opened.append(opened)
        return other.read(source, options)
    help = "give a file name, an onnx.ModelProto, a torch.nn.Module (an instance, not the class) or an akc.Module"
    raise DiagnosticError(unfit("source", source, help))
