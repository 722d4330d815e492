"""Optimizers at work, for people: traced steps, accumulation, races, the lineage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from bursar.report.plot import GREY, PALETTE, SKY, Arrow, Box, Line, Mark, Panel
from bursar.report.screen import screen, table_of
from bursar.report.sparks import spark
from bursar.report.words import say

Payload = dict[str, Any]
COLUMN, ROW, WIDE, HIGH = 7.0, 1.7, 5.6, 1.3  # of the lineage's grid and its boxes
SHOWN = 40  # steps that a table lists


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    PRINT[verb](payload, lang, screen())


def numbers(value: Any) -> str:
    """Ten digits of a number, or of each in lists of them."""
    if isinstance(value, list):
        return "[" + ", ".join(numbers(part) for part in value) + "]"
    return f"{value:.10g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _step(payload: Payload, lang: str, console: Console) -> None:
    console.print(Text.assemble((payload["name"], "bold"), "  ", say("update_rule", lang, update=payload["update"])))
    settings = ", ".join(f"{name} {numbers(value)}" for name, value in payload["settings"].items())
    console.print(say("settings", lang, settings=settings), style="dim", markup=False)
    table = table_of(
        "", *[say(key, lang) for key in ("optimizer_step", "gradient_column", "theta_column", "over_lr", "on_the_way")]
    )
    for row in payload["steps"][:SHOWN]:
        way = ", ".join(f"{name} {numbers(value)}" for name, value in row["trace"].items())
        values = [Text(numbers(row[key])) for key in ("gradient", "theta", "over_lr")]
        table.add_row(str(row["t"]), *values, Text(way))
    console.print(table)
    if len(payload["steps"]) > 1:
        largest = payload["largest"]
        console.print(say("largest_step", lang, over_lr=numbers(largest["over_lr"]), t=largest["t"]), markup=False)
    if "torch" in payload:
        theirs = payload["torch"]
        console.print(
            say("torch_line", lang, theta=numbers(theirs["theta"]), difference=numbers(theirs["difference"])), markup=False
        )
        for departure in theirs["departures"]:
            console.print(f"  {say(f'torch_{departure}', lang)}", markup=False)
    console.print(say("format_source", lang, title=payload["source"]), style="dim", markup=False)


def _accumulate(payload: Payload, lang: str, console: Console) -> None:
    samples = ", ".join(map(str, payload["counts"]))
    title = say("accumulate_title", lang, count=payload["micro_batches"], samples=samples)
    console.print(title, style="bold", markup=False)
    table = table_of("", "", say("gradient_column", lang), say("relative_error", lang))
    for key in ("summed", "divided", "weighted"):
        table.add_row(say(key, lang), Text(numbers(payload[key])), f"{payload['relative_error'][key]:.3g}")
    if payload["measured"]:
        table.add_row(say("whole_batch", lang), Text(numbers(payload["whole_batch"])), "")
    console.print(table)
    console.print(say("accumulate_lesson", lang), style="dim")


def _race(payload: Payload, lang: str, console: Console) -> None:
    facts = {key: numbers(payload[key]) for key in ("noise", "seed", "steps")}
    title = say("race_title", lang, problem=payload["problem"], start=numbers(payload["start_loss"]), **facts)
    console.print(title, style="bold", markup=False)
    table = table_of("", *[say(key, lang) for key in ("optimizer_name", "best_lr", "final_loss", "steps_to", "loss_curve")])
    losses = [loss for row in payload["runs"] for _, loss in row["curve"]]
    for row in payload["runs"]:
        final = row["final"] if isinstance(row["final"], str) else f"{row['final']:.3e}"
        table.add_row(
            row["name"],
            f"{row['lr']:.3g}",
            final,
            str(row["steps_to_thousandth"] or "–"),
            spark([loss for _, loss in row["curve"]], log=True, beside=losses),
        )
    console.print(table)
    console.print(say("race_grid", lang, grid=", ".join(f"{lr:.3g}" for lr in payload["learning_rates"])), style="dim")


def _schedule(payload: Payload, lang: str, console: Console) -> None:
    console.print(say("schedule_title", lang, name=payload["name"], formula=payload["formula"]), style="bold", markup=False)
    facts = {key: numbers(payload[key]) for key in ("updates", "warmup", "decay", "lr", "floor")}
    console.print(say("schedule_facts", lang, **facts), markup=False)
    console.print(spark([lr for _, lr in payload["curve"]], beside=[0]))
    table = table_of("", say("optimizer_step", lang), say("learning_rate_axis", lang))
    last = len(payload["curve"]) - 1
    for t, lr in [payload["curve"][index] for index in sorted({round(last * part / 12) for part in range(13)})]:
        table.add_row(f"{t:,}", numbers(lr))
    console.print(table)
    console.print(say("format_source", lang, title=payload["source"]), style="dim", markup=False)


def _lineage(payload: Payload, lang: str, console: Console) -> None:
    """A tree by the main parent; other parents stand behind a plus sign."""
    tree = Tree(Text(say("lineage_title", lang), style="bold"))
    nodes: dict[str, Tree] = {}
    for row in payload["optimizers"]:
        above = nodes[row["parents"][0]] if row["parents"] else tree
        more = "".join(f" + {parent}" for parent in row["parents"][1:])
        nodes[row["name"]] = above.add(Text.assemble((row["name"], "bold"), f" {row['year']}{more}  ", (row["idea"], "dim")))
    console.print(tree)


PRINT: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "step": _step, "accumulate": _accumulate, "race": _race, "schedule": _schedule, "lineage": _lineage
}  # fmt: skip


def _race_picture(payload: Payload, lang: str) -> list[Panel]:
    """Loss over steps."""
    marks: list[Mark] = [
        Line(
            [t for t, _ in row["curve"]], [max(loss, 1e-30) for _, loss in row["curve"]], f"{row['name']} ({row['lr']:.3g})", colour
        )
        for row, colour in zip(payload["runs"], PALETTE * 3, strict=False)
    ]
    return [Panel(payload["problem"], marks, say("optimizer_step", lang), say("final_loss", lang), y_log=True)]


def _step_picture(payload: Payload, lang: str) -> list[Panel]:
    """Step over learning rate, by the number of the step."""
    steps = payload["steps"]
    line = Line([row["t"] for row in steps], [row["over_lr"] for row in steps], payload["name"], PALETTE[0])
    return [Panel(f"{payload['name']}: {payload['update']}", [line], say("optimizer_step", lang), say("over_lr", lang))]


def _schedule_picture(payload: Payload, lang: str) -> list[Panel]:
    """The rate over the updates."""
    line = Line([t for t, _ in payload["curve"]], [lr for _, lr in payload["curve"]], payload["name"], PALETTE[0])
    return [Panel(f"{payload['name']}: {payload['formula']}", [line], say("optimizer_step", lang), say("learning_rate_axis", lang))]


def _lineage_picture(payload: Payload, lang: str) -> list[Panel]:
    """Every optimizer right of those that it continues, in the rows of the tree of main parents."""
    heights = _heights(payload["optimizers"])
    places = {row["name"]: (row["generation"] * COLUMN, -ROW * heights[row["name"]]) for row in payload["optimizers"]}
    marks: list[Mark] = []
    for row in payload["optimizers"]:
        x, y = places[row["name"]]
        marks.append(Box(x, y, WIDE, HIGH, f"{row['name']}\n{row['year']}"))
        for parent, colour in zip(row["parents"], (GREY, SKY), strict=False):
            marks.append(Arrow((places[parent][0] + WIDE / 2, places[parent][1]), (x - WIDE / 2, y), colour=colour))
    return [Panel(say("lineage_title", lang), marks, axes=False, height=0.42 * max(heights.values()) + 1)]


def _heights(rows: list[Payload]) -> dict[str, float]:
    """The row of each: leaves of the tree one below the other, others in the middle of their children."""
    children = {row["name"]: [one["name"] for one in rows if one["parents"][:1] == [row["name"]]] for row in rows}
    heights: dict[str, float] = {}

    def place(name: str, free: float) -> float:
        """The first row that is free below it."""
        start = free
        for child in children[name]:
            free = place(child, free)
        below = [heights[child] for child in children[name]]
        heights[name] = (below[0] + below[-1]) / 2 if below else start
        return max(free, start + 1)

    free = 0.0
    for row in rows:
        if not row["parents"]:
            free = place(row["name"], free)
    return heights


DRAW = {"schedule": _schedule_picture, "race": _race_picture, "step": _step_picture, "lineage": _lineage_picture}
