"""Pictures of matrix calculus: a perceptron's graph with its forward and gradient paths, and what operations count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bursar.report.plot import BLUE, RED, Arrow, Bars, Box, Mark, Note, Panel
from bursar.report.units import whole
from bursar.report.words import say

Payload = Mapping[str, Any]
Point = tuple[float, float]
STEP, WIDE, HIGH, ABOVE, APART = 9.4, 4.6, 1.7, 6.0, 0.5  # of the plane that the diagram lies in
COLOURS: Mapping[str, str] = {"forward": BLUE, "gradient": RED}


def graph(payload: Payload, lang: str) -> list[Panel]:
    """Samples from left to right; each weight stands above the step that it takes part in."""
    places = _places(payload)
    widths = "–".join([str(width) for width in payload["widths"]])
    marks: list[Mark] = [Box(*places[node["name"]], WIDE, HIGH, _words(node)) for node in payload["nodes"]]
    for edge in payload["edges"]:
        marks += _edge(edge, places)
    for node in payload["nodes"]:
        if node["kind"] == "weight":  # it takes part in the forward product below it
            x, y = places[node["name"]]
            marks.append(Arrow((x - 1.4, y - HIGH / 2), (x - 1.4, APART), colour=BLUE))
    end = max(x for x, _ in places.values()) + WIDE / 2
    for line, (path, colour) in enumerate(COLOURS.items()):
        marks.append(Note(end, ABOVE + 0.6 - 1.2 * line, say(f"matrix_{path}_path", lang), colour, "right"))
    return [Panel(say("matrix_graph", lang, widths=widths, batch=payload["batch"]), marks, axes=False, height=3.0)]


def _words(node: Payload) -> str:
    return "\n".join([node["name"], " × ".join([whole(size) for size in node["shape"]])]).strip()


def _places(payload: Payload) -> dict[str, Point]:
    """Middles of the boxes."""
    row = [node["name"] for node in payload["nodes"] if node["kind"] != "weight"]
    weights = [node["name"] for node in payload["nodes"] if node["kind"] == "weight"]
    return {
        **{name: (STEP * index, 0.0) for index, name in enumerate(row)},
        **{name: (STEP * (index + 0.5), ABOVE) for index, name in enumerate(weights)},
    }


def _edge(edge: Payload, places: Mapping[str, Point]) -> list[Mark]:
    """An arrow and its words. Forward arrows run above those of gradients; the gradient of a weight leaves what the weight made."""
    (x, y), (to, above) = places[edge["from"]], places[edge["to"]]
    text, colour, middle = f"{edge['formula']}\n{whole(edge['flops'])}", COLOURS[edge["path"]], (x + to) / 2
    if above > y:
        start, end = (x, HIGH / 2), (to + WIDE / 2, above)
        return [Arrow(start, end, colour=colour), Note((start[0] + end[0]) / 2 + 0.4, above / 2 + 0.6, text, colour, "left")]
    if edge["path"] == "forward":
        return [Arrow((x + WIDE / 2, APART), (to - WIDE / 2, APART), colour=colour), Note(middle + 0.6, 1.7, text, colour)]
    return [Arrow((x - WIDE / 2, -APART), (to + WIDE / 2, -APART), colour=colour), Note(middle, -1.8, text, colour)]


def elementwise(payload: Payload, lang: str) -> list[Panel]:
    """What operations count for an element, as bars."""
    rows = payload.get("operations", [payload])
    names, values = [row["operation"] for row in rows], [row["flops_per_element"] for row in rows]
    title = say("matrix_per_element_chart", lang, special=payload["special_flops"])
    return [Panel(title, [Bars(names, values, ends=[whole(value) for value in values])], "FLOP")]


DRAW: Mapping[str, Callable[[Payload, str], list[Panel]]] = {"graph": graph, "elementwise": elementwise}
