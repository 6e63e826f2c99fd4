# SPDX-License-Identifier: Apache-2.0
"""`akc report`: what stands where on the chip, what memory it takes, and why, as text or as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_letters, digits
from typing import Any

from akc.ir.module import Module
from akc.targets import SequenceProgram
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import KIND_NAMES
from akc.targets.akida1.reading.report_facts import SPREAD, Facts, report_facts

MARKS = ascii_letters + digits
"""Marks of the layers in the drawing, in order; further layers share `?`."""
NUMERIC = set("0123456789,:%x-")
"""Characters of cells that are set to the right."""
LONGEST_PLACE_LIST = 12
"""Places of a layer beyond this many are counted, not listed; the JSON has them all."""


def report(module: Module, chip: Chip, programs: Iterable[SequenceProgram] = ()) -> str:
    """The report of a placed module as text. programs: its assembled sequences, for the bytes of the records."""
    return report_text(report_facts(module, chip, programs), chip)


def report_text(facts: Facts, chip: Chip) -> str:
    """The text for `report_facts`."""
    parts = [_overview(facts), _work(facts), _components(facts), _external(facts), _handed_on(facts)]
    parts += [part for sequence in facts["sequences"] for part in _sequence(sequence, chip)]
    parts += [_roundings(facts), _host_ops(facts), _borders(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their longest cell, two spaces apart; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    right = [all(set(line[i]) <= NUMERIC for line in cells) for i in range(len(head))]
    lines = [title, "-" * len(title)]
    for line in [list(head), *cells]:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shape(sizes: Sequence[int] | None) -> str:
    return "-" if sizes is None else "x".join(str(n) for n in sizes)


def _overview(facts: Facts) -> str:
    totals = facts["totals"]
    inputs = ", ".join(f"%{name}: {kind}" for name, kind in facts["inputs"].items())
    outputs = ", ".join(facts["outputs"].values())
    head = ("sequences", "layers", "on host", "NPs at once", "program bytes", "external bytes")
    keys = ("sequences", "layers", "host_layers", "nps", "program_bytes", "external_bytes")
    title = f"@{facts['network']}({inputs}) -> {outputs} on {facts['target']}"
    return table(title, head, [[totals[key] for key in keys]])


def _work(facts: Facts) -> str:
    """What crosses between host and chip, and where the work is done."""
    totals = facts["totals"]
    chip, host = totals["multiply_adds"], totals["host_multiply_adds"]
    share = f"{100 * chip / (chip + host):.1f}%" if chip + host else "-"
    head = ("values between host and chip", "multiply-adds on the chip", "on the host", "share of the chip")
    return table("Work for one input", head, [(totals["crossings"], chip, host, share)])


def _handed_on(facts: Facts) -> str:
    """Layers with filters that compute nothing: the price of branches in one row, or of a layer put in."""
    layers = [layer for sequence in facts["sequences"] for layer in sequence["layers"] if layer["handed_on"]]
    rows = [(f"%{x['name']}", x["filters"], x["handed_on"], len(x["places"])) for x in layers]
    title = "Filters that hand one channel on, such as for a branch"
    return table(title, ("layer", "filters", "handed on", "NPs"), rows) if rows else ""


def _components(facts: Facts) -> str:
    return table("Components", ("kind", "used"), facts["components"].items())


def _external(facts: Facts) -> str:
    layers = [layer for sequence in facts["sequences"] for layer in sequence["layers"] if layer["external_bytes"]]
    if not layers:
        return ""
    rows = [(f"%{layer['name']}", layer["external_bytes"]) for layer in layers]
    return table("External memory (weights of FNP2s)", ("layer", "bytes"), rows)


def _sequence(sequence: Facts, chip: Chip) -> list[str]:
    if sequence["on"] == "host":
        rows = [(f"%{x['name']}", x["kind"], _shape(x["output"]), _from(x)) for x in sequence["layers"]]
        return [table(f"Sequence @{sequence['name']}, on the host", ("layer", "kind", "output", "from"), rows)]
    return [_layers(sequence, chip), _memory(sequence), _records(sequence), _splits(sequence), _places(sequence),
            *(draw(one, chip) for one in passes_of(sequence))]  # fmt: skip


def passes_of(sequence: Facts) -> list[Facts]:
    """A sequence once for each pass, with the layers that have the mesh then."""
    return [
        sequence | {"layers": [x for x in sequence["layers"] if x["pass"] == number], "pass": number}
        for number in range(1, sequence["passes"] + 1)
    ]


def _from(layer: Facts) -> str:
    return ", ".join(layer["from"]) or "-"


def _marked(sequence: Facts) -> list[tuple[str, Facts]]:
    marks = MARKS.ljust(len(sequence["layers"]), "?")
    return list(zip(marks, sequence["layers"], strict=False))


def _layers(sequence: Facts, chip: Chip) -> str:
    rows = [
        (
            mark,
            f"%{x['name']}",
            x["kind"] + (", learns" if x["learns"] else ""),
            _shape(x["output"]),
            _shape(x["kernel"]),
            _nps(x),
            _from(x),
        )
        for mark, x in _marked(sequence)
    ]
    size = "" if sequence["program_bytes"] is None else f", {sequence['program_bytes']:,} bytes"
    title = f"Sequence @{sequence['name']}, on the chip: {sequence['nps']} of {len(chip.mesh)} NPs{size}"
    return table(title, ("", "layer", "kind", "output", "kernel", "NPs", "from"), rows)


def _nps(layer: Facts) -> str:
    kinds = [place["kind"].upper() for place in layer["places"]]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "-"


def _memory(sequence: Facts) -> str:
    rows = []
    for _, x in _marked(sequence):
        buffer = "-" if x["input_limit"] is None else "single" if x["single_buffer"] else "double"
        if x["kind"] == KIND_NAMES["image"]:
            rows.append((f"%{x['name']} (HRC)", *"-------"))
            continue
        rows.append((f"%{x['name']}", x["input_bytes"], x["input_limit"], _percent(x, "input"), buffer,
                     x["weight_bytes"], x["weight_limit"], _percent(x, "weight")))  # fmt: skip
    head = ("layer", "input bytes", "of", "used", "buffer", "weight bytes", "of", "used")
    return table("Memory of the fullest NP of each layer", head, rows)


def _percent(layer: Facts, memory: str) -> str:
    limit = layer[f"{memory}_limit"]
    return f"{100 * layer[f'{memory}_bytes'] / limit:.0f}%" if limit else "-"


def _records(sequence: Facts) -> str:
    if sequence["program_bytes"] is None:
        return ""
    kinds = sorted({what for layer in sequence["layers"] for what in layer["record_bytes"]})
    rows: list[Sequence[Any]] = []
    for layer in sequence["layers"]:
        sizes = [layer["record_bytes"].get(what, 0) for what in kinds]
        rows.append((f"%{layer['name']}", *sizes, sum(sizes)))
    return table("Bytes of each layer in the program", ("layer", *kinds, "together"), rows)


def _splits(sequence: Facts) -> str:
    rows = [(f"%{layer['name']}", layer["split"]) for layer in sequence["layers"] if layer["split"]]
    fewer = any(SPREAD in reason for _, reason in rows)
    title = "Why layers are split" + (", where --place=compact takes fewer NPs" if fewer else "")
    return table(title, ("layer", "reason"), rows) if rows else ""


def _places(sequence: Facts) -> str:
    rows: list[Sequence[object]] = []
    for layer in sequence["layers"]:
        places = layer["places"]
        rows += [_place_row(layer, place) for place in places[:LONGEST_PLACE_LIST]]
        if len(places) > LONGEST_PLACE_LIST:
            rows.append((f"%{layer['name']}", f"and {len(places) - LONGEST_PLACE_LIST} more", "", "", "", "", ""))
    head = ("layer", "NP (column, row, id)", "filters", "d0", "d1", "input bytes", "weight bytes")
    return table("Places", head, rows)


def _place_row(layer: Facts, place: Facts) -> Sequence[object]:
    if place["kind"] == "hrc":
        return f"%{layer['name']}", "HRC", f"0:{layer['filters']}", "", "", "", ""
    ranges = ["{}:{}".format(*place[key]) for key in ("filters", "d0", "d1")]
    where = f"{place['kind'].upper()} ({place['column']}, {place['row']}, {place['id']})"
    return f"%{layer['name']}", where, *ranges, place["input_bytes"], place["weight_bytes"]


def draw(sequence: Facts, chip: Chip) -> str:
    """The mesh: a box for each node with its NPs 0 to 3; `.` is free, `#` a DMA, letters are layers."""
    marks = {
        (place["column"], place["row"], place["id"]): mark
        for mark, layer in _marked(sequence)
        for place in layer["places"]
        if place["kind"] != "hrc"
    }
    cells = {p.place: "." for p in chip.mesh} | dict.fromkeys((chip.event_dma, chip.config_dma), "#") | marks
    columns, rows = sorted({place[0] for place in cells}), sorted({place[1] for place in cells})
    passes = f" in pass {sequence['pass']} of {sequence['passes']}" if sequence["passes"] > 1 else ""
    title = f"Mesh{passes}: a box is a node with its NPs 0 to 3"
    lines = [title, "-" * len(title), "       " + "".join(f"col {column:<4}" for column in columns)]
    for row in rows:
        nodes = ("".join(cells.get((column, row, id), " ") for id in range(4)) for column in columns)
        lines.append(f"row {row}  " + "".join(f"[{node}]  " if node.strip() else " " * 8 for node in nodes))
    legend = [f"{mark} %{layer['name']}{_beside_mesh(layer)}" for mark, layer in _marked(sequence)]
    return "\n".join(line.rstrip() for line in [*lines, *_wrapped([*legend, ". free", "# DMA"])])


def _beside_mesh(layer: Facts) -> str:
    return " (on the HRC)" if any(place["kind"] == "hrc" for place in layer["places"]) else ""


def _wrapped(words: Sequence[str], width: int = 100) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 3 + len(word) > width:
            lines.append("")
        lines[-1] += f"{'   ' if lines[-1] else ''}{word}"
    return lines


def _roundings(facts: Facts) -> str:
    """What the levels of the input leave out; values beyond their range are cut."""
    rows = [
        (f"%{r['value']}", r["bits"], *(f"{n:.4g}" for n in (*r["range"], r["largest_error"], r["percent_of_range"])))
        for r in facts["roundings"]
    ]
    head = ("value", "bits", "from", "to", "off by at most", "% of range")
    return table("Rounding by the host", head, rows) if rows else ""


def _host_ops(facts: Facts) -> str:
    rows = [(f"%{op['name']}", op["kind"], _shape(op["output"]), _from(op)) for op in facts["host_ops"]]
    return table("On the host, between sequences", ("layer", "kind", "output", "from"), rows) if rows else ""


def _borders(facts: Facts) -> str:
    rows = [(f"%{b['value']}", b["way"], f"@{b['sequence']}", b["type"], b["bytes"]) for b in facts["borders"]]
    return table("Between host and chip", ("value", "way", "sequence", "type", "bytes"), rows) if rows else ""
