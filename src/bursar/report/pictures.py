"""The pictures of verbs: panels drawn from the object that a verb prints, so that no picture shows a number of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bursar.report import chart
from bursar.report.plot import BLUE, GREY, PALETTE, SKY, Arrow, Bars, Box, Line, Mark, Panel, Steps
from bursar.report.units import GIB, duration, gib, percent, whole
from bursar.report.words import say

Payload = Mapping[str, Any]
ROW, COLUMN, WIDE, HIGH = 2.8, 5.8, 5.4, 2.1  # of a diagram's grid and its boxes
KEPT = "#d9b3ff"


def params(payload: Payload, lang: str) -> list[Panel]:
    """Parameters by part, as bars."""
    return [_shares(f"{payload['model']}: {whole(payload['total'])}", payload["components"], say("parameters", lang), whole)]


def memory(payload: Payload, lang: str) -> list[Panel]:
    """The step of the worst stage, and what there is at its peak."""
    stage = payload["timeline_stage"]
    title = f"{payload['model']}, {say('timeline', lang, stage=stage)}"
    held = {part: payload["stages"][stage][part] / GIB for part in chart.PARTS if payload["stages"][stage][part]}
    named = {say(part, lang).rstrip("*"): value for part, value in held.items()}
    parts = _shares(f"{say('peak', lang)}: {payload['moments'][stage]['moment']}", named, "GiB", lambda value: gib(value * GIB))
    return [chart.panel(payload["timeline"], title, lang, payload["device_memory"]), parts]


def time(payload: Payload, lang: str) -> list[Panel]:
    """What limits a step: its seconds by what they are spent on."""
    spent = {say(part, lang): value for part, value in payload["breakdown_s"].items() if value}
    return [_shares(f"{payload['model']}: {duration(payload['step_s'])}", spent, "s", duration)]


def _shares(title: str, parts: Mapping[str, float], unit: str, shown: Callable[[Any], str]) -> Panel:
    total = sum(parts.values())
    ends = [f"{shown(value)}  ({percent(value / total)})" for value in parts.values()]
    return Panel(title, [Bars(list(parts), list(parts.values()), colour=BLUE, ends=ends)], unit)


def flops(payload: Payload, lang: str) -> list[Panel]:
    """FLOPs of a token's forward pass by kind, over the length: where the attention core takes over."""
    rows = payload["by_length"]
    kinds = list(rows[-1]["by_kind"])
    marks: list[Mark] = []
    below = [0.0] * len(rows)
    for kind, colour in zip(kinds, PALETTE * len(kinds), strict=False):
        above = [low + row["by_kind"].get(kind, 0) / row["seq"] for low, row in zip(below, rows, strict=True)]
        marks.append(Steps(below, above, kind, colour))
        below = above
    lengths = [f"{row['seq']:,}" for row in rows]
    return [
        Panel(f"{payload['model']}: {say('flops_by_length', lang)}", marks, say("sequence_length", lang), "FLOP", ticks=lengths)
    ]


def activations(payload: Payload, lang: str) -> list[Panel]:
    """A layer of every kind as it is wired, with what it keeps for the backward pass marked, in bytes."""
    return [_layer(payload, layer["kind"], layer["lines"], lang) for layer in payload["wiring"]]


def _layer(payload: Payload, kind: str, lines: Sequence[Payload], lang: str) -> Panel:
    places = _places(lines)
    marks: list[Mark] = []
    for line in lines:
        x, y = places[line["name"]]
        marks.append(Box(x, y, WIDE, HIGH, _words(line), KEPT if line["kept"] else "#ffffff"))
    skips = [
        (line["name"], read) for line in lines for read in line["reads"] if places[read][1] - places[line["name"]][1] > 1.5 * ROW
    ]
    for line in lines:
        for read in line["reads"]:
            pair = line["name"], read
            if pair in skips:
                marks += _around(places[read], places[line["name"]], min(x for x, _ in places.values()) - WIDE, skips.index(pair))
            else:
                marks.append(_down(places[read], places[line["name"]]))
    depth = max(-y for _, y in places.values()) / ROW
    title = say("layer_chart", lang, model=payload["model"], kind=kind, kernels=payload["kernels"])
    return Panel(title, marks, axes=False, height=0.82 * (depth + 2))


def _words(line: Payload) -> str:
    """The operator, and what is kept: its result by its bytes alone, the rest by name."""
    kept = [f"{whole(item['bytes'])} B" if item["tensor"] == line["name"] else f"{item['tensor']} {whole(item['bytes'])} B"
            for item in line["kept"]]  # fmt: skip
    return "\n".join([f"{line['name'].removesuffix('.partial')}: {line['op']}".rstrip(": "), *kept])


def _down(above: tuple[float, float], below: tuple[float, float]) -> Arrow:
    return Arrow((above[0], above[1] - HIGH / 2), (below[0], below[1] + HIGH / 2), colour=GREY)


def _around(above: tuple[float, float], below: tuple[float, float], left: float, lane: int) -> list[Mark]:
    """A line that skips rows, beside the boxes: the residual stream."""
    x = left - 0.5 * (lane % 4)
    corner = Line([above[0] - WIDE / 2, x, x], [above[1], above[1], below[1]], colour=SKY)
    return [corner, Arrow((x, below[1]), (below[0] - WIDE / 2, below[1]), colour=SKY)]


def _places(lines: Sequence[Payload]) -> dict[str, tuple[float, float]]:
    """Every line in the row below the lowest line that it reads, side by side with those of its row."""
    depth: dict[str, int] = {}
    for line in lines:
        depth[line["name"]] = 1 + max([depth[read] for read in line["reads"]], default=-1)
    rows: dict[int, list[str]] = {}
    for name, row in depth.items():
        rows.setdefault(row, []).append(name)
    return {
        name: ((index - (len(names) - 1) / 2) * COLUMN, -row * ROW)
        for row, names in rows.items()
        for index, name in enumerate(names)
    }


DRAW: Mapping[str, Callable[[Payload, str], list[Panel]]] = {
    "params": params,
    "flops": flops,
    "activations": activations,
    "memory": memory,
    "time": time,
}
