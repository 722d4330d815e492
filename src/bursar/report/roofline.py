"""The roofline of a device, in words, as a table of a layer's operators, and as a chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report import budget
from bursar.report.plot import PALETTE, Dots, Line, Mark, Panel
from bursar.report.screen import screen, table_of
from bursar.report.units import duration, percent, short
from bursar.report.words import say

Payload = Mapping[str, Any]
AROUND = 4.0  # how far the axis of a chart goes beyond the ridge point and its dots
LABELS = 14  # dots that a panel names


def show(verb: str, payload: dict[str, Any], lang: str) -> None:
    """Print the answer."""
    budget.show(verb, payload, lang)
    for layer in payload.get("layers", ()):
        _operators(payload, layer, lang, screen())


def _operators(payload: Payload, layer: Payload, lang: str, console: Console) -> None:
    columns = "operator", "intensity", "achieved", "share", "bound_by"
    heads = [say(f"roofline_{column}", lang) for column in columns]
    table = table_of(_title(payload, layer, lang), heads[0], "FLOP", "B", heads[1], "", *heads[2:])
    for row in layer["operators"]:
        rate = f"{short(row['flop_per_s'])}FLOP/s" if row["flops"] else f"{short(row['bytes_per_s'])}B/s"
        figures = short(row["flops"]), short(row["bytes"]), f"{row['intensity']:,.1f}", duration(row["seconds"]), rate
        bound = say("roofline_products" if row["bound"] == "compute" else "roofline_traffic", lang)
        table.add_row(Text(f"{row['path']} ({row['op']})"), *figures, percent(row["share"]), bound)
    console.print(table)


def _title(payload: Payload, layer: Payload, lang: str) -> str:
    return say("roofline_layer", lang, model=payload["model"], kind=layer["kind"], device=payload["device"])


def panels(payload: Payload, lang: str) -> list[Panel]:
    """The ceilings of a device, and where the operators of every kind of layer lie below them."""
    layers = payload.get("layers") or [{"kind": "", "operators": _given(payload)}]
    return [_panel(payload, layer, lang) for layer in layers]


def _given(payload: Payload) -> list[Payload]:
    """The one operation that was given, if its time was."""
    if not {"flops", "bytes", "seconds"} <= payload.keys() or not payload["flops"] or not payload["bytes"]:
        return []
    rate = payload["flops"] / payload["seconds"]
    return [{"path": "", "flops": payload["flops"], "intensity": payload["intensity"], "flop_per_s": rate}]


def _panel(payload: Payload, layer: Payload, lang: str) -> Panel:
    rows = [row for row in layer["operators"] if row["flops"]]
    peak, ridge = payload["peak_flop_per_s"], payload["ridge"]
    intensities = [ridge, *[row["intensity"] for row in rows]]
    low, high = min(intensities) / AROUND, max(intensities) * AROUND
    ceiling = Line([low, ridge, high], [peak * low / ridge, peak, peak], say("roofline_ceiling_line", lang))
    title = _title(payload, layer, lang) if layer["kind"] else str(payload["device"])
    return Panel(title, [ceiling, *_dots(rows)], say("roofline_intensity", lang), "FLOP/s", x_log=True, y_log=True)


def _dots(rows: Sequence[Payload]) -> list[Mark]:
    """Operators that lie at one place are one dot with all their names."""
    places: dict[tuple[float, float], list[str]] = {}
    for row in rows:
        places.setdefault((row["intensity"], row["flop_per_s"]), []).append(row["path"])
    marks: list[Mark] = []
    for index, ((x, y), names) in enumerate(places.items()):
        label = ", ".join(names) if index < LABELS else ""
        marks.append(Dots([x], [y], label, PALETTE[index % len(PALETTE)]))
    return marks


DRAW: Mapping[str, Callable[[Payload, str], list[Panel]]] = {"roofline": panels}
