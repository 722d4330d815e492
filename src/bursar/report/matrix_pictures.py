"""The picture of a perceptron's graph: forward and gradient paths in two colours, shapes in the boxes, costs on the edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bursar.report.plot import BLUE, RED, Arrow, Box, Line, Mark, Panel
from bursar.report.units import whole
from bursar.report.words import say

Payload = Mapping[str, Any]
STEP, WIDE, HIGH, ABOVE, APART = 7.0, 3.2, 1.2, 3.2, 0.3  # of the plane that the diagram lies in


def graph(payload: Payload, lang: str) -> list[Panel]:
    """Samples from left to right, each weight above the step it takes part in."""
    places = _places(payload)
    widths = "–".join([str(width) for width in payload["widths"]])
    marks: list[Mark] = [
        Box(*places[node["name"]], WIDE, HIGH, "\n".join([node["name"], " × ".join(map(str, node["shape"]))]).strip())
        for node in payload["nodes"]
    ]
    marks += [_arrow(edge, places) for edge in payload["edges"]]
    marks += [Line([], [], say(f"matrix_{path}_path", lang), colour) for path, colour in COLOURS.items()]
    return [Panel(say("matrix_graph", lang, widths=widths, batch=payload["batch"]), marks, axes=False)]


COLOURS: Mapping[str, str] = {"forward": BLUE, "gradient": RED}


def _places(payload: Payload) -> dict[str, tuple[float, float]]:
    """Middles of the boxes."""
    row = [node["name"] for node in payload["nodes"] if node["kind"] != "weight"]
    weights = [node["name"] for node in payload["nodes"] if node["kind"] == "weight"]
    return {
        **{name: (STEP * index, 0.0) for index, name in enumerate(row)},
        **{name: (STEP * (index + 0.5), ABOVE) for index, name in enumerate(weights)},
    }


def _arrow(edge: Payload, places: Mapping[str, tuple[float, float]]) -> Arrow:
    """From the side of a box to the side of another; forward arrows run above those of gradients."""
    (x, y), (to, above) = places[edge["from"]], places[edge["to"]]
    side = WIDE / 2 if to > x else -WIDE / 2
    text = f"{edge['formula']}\n{whole(edge['flops'])}"
    if above > y:  # to a weight, from the left upper corner of what it made
        return Arrow((x - WIDE / 4, y + HIGH / 2), (to, above - HIGH / 2), text, COLOURS[edge["path"]])
    shift = APART if edge["path"] == "forward" else -APART
    return Arrow((x + side, y + shift), (to - side, above + shift), text, COLOURS[edge["path"]])


DRAW: Mapping[str, Callable[[Payload, str], list[Panel]]] = {"graph": graph}
