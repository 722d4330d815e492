"""Pictures of initialization: second moments by layer, forward and backward, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bursar.report.plot import BLUE, GREY, RED, Dots, Line, Mark, Panel
from bursar.report.words import say

Payload = Mapping[str, Any]


def propagate(payload: Payload, lang: str) -> list[Panel]:
    """Two panels on logarithmic scales: forward in red, gradients in blue; points are measured."""
    return _both(payload, lang, f"{payload['scheme']}, {payload['nonlinearity']}")


def module(payload: Payload, lang: str) -> list[Panel]:
    """The same of a live module's layers, in the order in which they ran."""
    return _both(payload, lang, payload["module"])


def _both(payload: Payload, lang: str, title: str) -> list[Panel]:
    return [
        _panel(payload, lang, f"{title}, {say('init_forward_chart', lang)}", "second_moment", RED),
        _panel(payload, lang, f"{title}, {say('init_backward_chart', lang)}", "gradient", BLUE),
    ]


def _panel(payload: Payload, lang: str, title: str, key: str, colour: str) -> Panel:
    rows = payload["layers"]
    layers = [row["layer"] for row in rows]
    marks: list[Mark] = [
        Line(layers, [1.0] * len(layers), colour=GREY, dashed=True),
        Line(layers, [row[key] for row in rows], say("init_predicted", lang), colour),
    ]
    if "measured" in rows[0]:
        marks.append(Dots(layers, [row["measured"][key] for row in rows], say("init_measured", lang), colour))
    return Panel(title, marks, say("init_layer", lang), say(f"init_{key}", lang), y_log=True)


DRAW: Mapping[str, Callable[[Payload, str], list[Panel]]] = {"propagate": propagate, "module": module}
