"""What formats do to numbers, for people: sums, loss scaling, products, the number line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from rich.console import Console

from bursar.report.formats import number
from bursar.report.plot import BLUE, GREY, PALETTE, Dots, Line, Mark, Note, Panel
from bursar.report.screen import screen, table_of
from bursar.report.sparks import spark
from bursar.report.units import percent
from bursar.report.words import say

Payload = dict[str, Any]
COLUMNS = 97  # of a number line in a terminal
SHOWN = 20  # changes of a scale that are listed


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    PRINT[verb](payload, lang, screen())


def _sum(payload: Payload, lang: str, console: Console) -> None:
    facts = {"count": f"{payload['additions']:,}", "addend": number(payload["addend"]), "start": number(payload["start"])}
    title = say("sum_title", lang, **facts, exact=number(payload["exact"]))
    heads = ("format", "method", "sum", "rounding_error", "lost_additions", "last_change")
    console.print(title, style="bold", markup=False)
    table = table_of("", *[say(key, lang) for key in heads])
    for row in payload["rows"]:
        counts = [f"{row[key]:,}" for key in ("lost", "last_change")]
        table.add_row(row["format"], say(row["method"], lang), number(row["sum"]), number(row["error"], 3), *counts)
    console.print(table)
    console.print(say("sum_lesson", lang), style="dim")


def _loss_scaling(payload: Payload, lang: str, console: Console) -> None:
    ends = {"before": number(payload["loss_scale"]), "after": number(payload["scale"])}
    console.print(say("scaling_title", lang, format=payload["format"], **ends), style="bold", markup=False)
    console.print(say("scaling_steps", lang, applied=f"{payload['applied']:,}", steps=f"{payload['steps']:,}"))
    if payload["changes"]:
        changes = table_of("", say("scaler_step", lang), say("event", lang), say("loss_scale", lang))
        for row in payload["changes"][:SHOWN]:
            changes.add_row(f"{row['step']:,}", row["event"], f"{number(row['before'])} → {number(row['after'])}")
        console.print(changes)
        if len(payload["changes"]) > SHOWN:
            console.print(f"… {len(payload['changes']) - SHOWN:,}")
    title = _sampled(payload, lang)
    heads = ("loss_scale", "becomes_zero", "becomes_subnormal", "becomes_infinite")
    console.print(title, style="bold", markup=False)
    table = table_of("", *[say(key, lang) for key in heads])
    for row in payload["survival"]:
        table.add_row(f"{row['scale']:,.0f}", *[percent(row[key]) for key in ("zero", "subnormal", "overflow")])
    console.print(table)
    if "gradient" in payload:
        console.print(
            say("tiny_gradient", lang, **{key: number(value) for key, value in payload["gradient"].items()}), markup=False
        )


def _sampled(payload: Payload, lang: str) -> str:
    facts = {"median": number(payload["median"]), "decades": number(payload["decades"]), "seed": payload["seed"]}
    return say("survival_title", lang, count=f"{payload['sampled']:,}", **facts)


def _matmul(payload: Payload, lang: str, console: Console) -> None:
    title = say("product_title", lang, size=payload["size"], seed=payload["seed"])
    if payload["outliers"]:
        title += f", {say('outlier_channels', lang)}"
    heads = ("format", "shares_scale", "bits", "product_error", "left_error", "right_error")
    console.print(title, style="bold", markup=False)
    table = table_of("", *[say(key, lang) for key in heads])
    for group in ("rows", "standards"):
        for row in payload[group]:
            block = say("no_scale", lang) if row["block"] is None else f"{row['block']:,}"
            errors = [f"{row[key]:.3e}" for key in ("product", "left", "right")]
            table.add_row(row["format"], block, f"{row['bits']:.6g}", *errors)
        table.add_section()
    console.print(table)


def _train(payload: Payload, lang: str, console: Console) -> None:
    facts = {"steps": payload["steps"], "lr": number(payload["lr"]), "seed": payload["seed"]}
    console.print(say("train_title", lang, **facts), style="bold", markup=False)
    table = table_of("", *[say(key, lang) for key in ("weights_kept", "train_loss", "lost_updates", "loss_curve")])
    losses = [loss for row in payload["rows"] for _, loss in row["curve"]]
    for row in payload["rows"]:
        curve = spark([loss for _, loss in row["curve"]], log=True, beside=losses)
        table.add_row(say(f"train_{row['name']}", lang), number(row["final"], 4), percent(row["lost"]), curve)
    console.print(table)
    console.print(say("train_lesson", lang), style="dim")


def _line(payload: Payload, lang: str, console: Console) -> None:
    low, high = payload["within"]
    console.print(say("line_title", lang, name=payload["name"], low=number(low), high=number(high)), style="bold", markup=False)
    if payload["values"]:
        console.print(ruler(payload["values"], low, high), markup=False)
    table = table_of("", *[say(key, lang) for key in ("from_value", "to_value", "spacing", "values_count")])
    for row in payload["binades"]:
        note = f" ({say('subnormal', lang)})" if row["subnormal"] else ""
        table.add_row(number(row["low"]) + note, number(row["high"]), number(row["spacing"]), f"{row['values']:,}")
    if payload["binades"]:
        console.print(table)


def ruler(values: list[float], low: float, high: float) -> str:
    """Values as strokes on a line, with the numbers of its ends and its middle below."""
    marks = [" "] * COLUMNS
    for value in values:
        marks[round((value - low) / (high - low) * (COLUMNS - 1))] = "│"
    ticks = [number(low), number((low + high) / 2), number(high)]
    gap = COLUMNS - sum(map(len, ticks))
    return "\n".join(["".join(marks), "─" * COLUMNS, ticks[0] + " " * (gap // 2) + ticks[1] + " " * (gap - gap // 2) + ticks[2]])


PRINT: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "sum": _sum, "loss-scaling": _loss_scaling, "matmul": _matmul, "train": _train, "line": _line
}  # fmt: skip


def _scale_picture(payload: Payload, lang: str) -> list[Panel]:
    """The dynamic scale over the steps, and what becomes of gradients under every scale."""
    x, y = [1.0], [payload["loss_scale"]]
    for row in payload["changes"]:
        x += [row["step"], row["step"]]
        y += [row["before"], row["after"]]
    dynamics = Line([*x, payload["steps"]], [*y, payload["scale"]], payload["format"], BLUE)
    scales = [row["scale"] for row in payload["survival"]]
    words = {"zero": "becomes_zero", "subnormal": "becomes_subnormal", "overflow": "becomes_infinite"}
    marks: list[Mark] = [
        Line(scales, [row[key] for row in payload["survival"]], say(word, lang), colour)
        for (key, word), colour in zip(words.items(), PALETTE, strict=False)
    ]
    return [
        Panel(say("loss_scale", lang), [dynamics], say("scaler_step", lang), say("loss_scale", lang), y_log=True),
        Panel(_sampled(payload, lang), marks, say("loss_scale", lang), x_log=True),
    ]


def _line_picture(payload: Payload, lang: str) -> list[Panel]:
    """Every value at the height of its distance to the next, or the spacing in every binade."""
    low, high = payload["within"]
    title = say("line_title", lang, name=payload["name"], low=number(low), high=number(high))
    if payload["values"]:
        steps = [b - a for a, b in pairwise(payload["values"])]
        mark: Mark = Dots(payload["values"][:-1], steps)
    else:
        ends = [(row["low"], row["high"], row["spacing"]) for row in reversed(payload["binades"])]
        mark = Line([x for low, high, _ in ends for x in (low, high)], [y for *_, y in ends for _ in (0, 1)], colour=BLUE)
    return [Panel(title, [mark], say("value", lang), say("spacing", lang), y_log=True)]


def _product_picture(payload: Payload, lang: str) -> list[Panel]:
    """Error over bits, a line for each element format."""
    by_format: dict[str, list[Payload]] = {}
    for row in payload["rows"]:
        by_format.setdefault(row["format"], []).append(row)
    marks: list[Mark] = [
        Line([row["bits"] for row in rows], [row["product"] for row in rows], name, colour)
        for (name, rows), colour in zip(((n, r) for n, r in by_format.items() if len(r) > 1), PALETTE * 2, strict=False)
    ]
    for row in payload["standards"]:
        marks += [
            Dots([row["bits"]], [row["product"]], colour=GREY),
            Note(row["bits"] + 0.05, row["product"], row["format"], align="left"),
        ]
    title = say("product_title", lang, size=payload["size"], seed=payload["seed"])
    return [Panel(title, marks, say("bits_with_scale", lang), say("rounding_error", lang), y_log=True)]


def _train_picture(payload: Payload, lang: str) -> list[Panel]:
    """Loss over steps, a line for each way of keeping the weights."""
    marks: list[Mark] = [
        Line([t for t, _ in row["curve"]], [loss for _, loss in row["curve"]], say(f"train_{row['name']}", lang), colour)
        for row, colour in zip(payload["rows"], PALETTE, strict=False)
    ]
    return [Panel(say("train_loss", lang), marks, say("scaler_step", lang), say("train_loss", lang), y_log=True)]


DRAW = {"train": _train_picture, "loss-scaling": _scale_picture, "line": _line_picture, "matmul": _product_picture}
