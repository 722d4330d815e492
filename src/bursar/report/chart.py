"""Pictures of a step's memory: blocks for a terminal, a panel for a file.

All are drawn from the rows of `timeline` in a verb's object: {moment, weights, gradients, …, total}, bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bursar.report.plot import BLUE, GREEN, GREY, NAVY, ORANGE, PINK, RED, SKY, Dots, Mark, Note, Panel, Rule, Steps
from bursar.report.units import GIB, gib
from bursar.report.words import say

Row = Mapping[str, Any]

# from the bottom up
PARTS: Mapping[str, str] = {
    "weights": BLUE, "gradients": SKY, "master_weights": NAVY, "optimizer_state": GREY, "runtime": "#dddddd",
    "activations": ORANGE, "logits": RED, "temporary": PINK, "communication": GREEN,
}  # fmt: skip
BLOCKS = " ▁▂▃▄▅▆▇█"
COLUMNS, LINES = 96, 8


def terminal(rows: Sequence[Row], lang: str) -> str:
    """A small chart of total bytes over the step, its scale, and the moments at its ends and at its peak."""
    heights = _columns([row["total"] for row in rows])
    top = max(heights)
    lines = []
    for line in range(LINES, 0, -1):
        label = gib(top * line / LINES).rjust(8) if line in (LINES, 1) else " " * 8
        lines.append(f"{label} │" + "".join([_block(height / top * LINES - (line - 1)) for height in heights]))
    peak = max(rows, key=lambda row: row["total"])
    return "\n".join(
        [*lines, f"{'GiB':>8} └" + "─" * len(heights), f"{say('peak', lang)}: {peak['moment']}, {gib(peak['total'])} GiB"]
    )


def _columns(totals: Sequence[int]) -> list[int]:
    """At most COLUMNS columns, each as high as the highest of its moments."""
    count = min(COLUMNS, len(totals))
    edges = [index * len(totals) // count for index in range(count + 1)]
    return [max(totals[low:high]) for low, high in pairwise(edges)]


def _block(height: float) -> str:
    return BLOCKS[max(0, min(8, round(8 * height)))]


def panel(rows: Sequence[Row], title: str, lang: str, capacity: int | None = None) -> Panel:
    """A stack of the step's parts in GiB, one column for each moment, with the device's memory as a line where it is known."""
    marks: list[Mark] = []
    below = [0.0] * len(rows)
    for part, colour in PARTS.items():
        if any(row[part] for row in rows):
            above = [low + row[part] / GIB for low, row in zip(below, rows, strict=True)]
            marks.append(Steps(below, above, say(part, lang).rstrip("*"), colour))
            below = above
    if capacity:
        marks.append(Rule(capacity / GIB, say("memory", lang)))
    return Panel(title, [*marks, *_peak(rows)], say("moment", lang), "GiB")


def _peak(rows: Sequence[Row]) -> list[Mark]:
    index = max(range(len(rows)), key=lambda i: rows[i]["total"])
    x, y = index + 0.5, rows[index]["total"] / GIB
    align = "right" if index > len(rows) / 2 else "left"
    return [
        Dots([x], [y], colour="#000000"),
        Note(x, y * 1.03, f"{rows[index]['moment']}: {gib(rows[index]['total'])} GiB", align=align),
    ]
