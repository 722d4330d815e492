"""Tables of the scaling verbs. Each function draws the object of one verb; none computes a law."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.derivations import constants, derivations
from bursar.report.screen import screen, table_of
from bursar.report.units import percent, short
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a scaling verb."""
    DRAW[verb](payload, lang, screen())


def size(value: float | None) -> str:
    """Four digits with k, M, B or T, as the options take them."""
    return "" if value is None else short(value).replace(" ", "").replace("G", "B")


def ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def loss_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _span(pair: list[float]) -> str:
    return f"{size(pair[0])} – {size(pair[1])}"


def outside(payload: Payload, lang: str, console: Console) -> None:
    if payload["outside"]:
        console.print(Text(say("outside_line", lang, what="; ".join(payload["outside"])), style="yellow"))


def _laws(payload: Payload, lang: str, console: Console) -> None:
    table = table_of("", say("law", lang))
    for key in ("constants", "answers", "counts_of", "unit"):
        table.add_column(say(key, lang), overflow="fold")
    for row in payload["laws"]:
        counts = row["counts"]
        table.add_row(row["law"], Text(constants(row["constants"])), ", ".join(row["answers"]), counts["params"], counts["loss"])
    console.print(table)
    for row in payload["laws"]:
        note = f"; {row['note']}" if row["note"] else ""
        console.print(Text.assemble((row["law"], "bold"), f"  {row['title']}: {row['seen']}{note}"), style="dim")


def _loss(payload: Payload, lang: str, console: Console) -> None:
    if "alone" in payload:
        _alone(payload, lang, console)
        return
    facts = {"params": size(payload["params"]), "tokens": size(payload["tokens"]), "loss": payload["loss"]}
    console.print(say("loss_line", lang, law=payload["law"], unit=payload["unit"], **facts), style="bold")
    if len(payload["band"]) > 1:
        losses = [row["loss"] for row in payload["band"]]
        console.print(say("loss_band", lang, low=min(losses), high=max(losses)))
    outside(payload, lang, console)


def _alone(payload: Payload, lang: str, console: Console) -> None:
    """The loss where one quantity alone limits it."""
    name = payload["alone"]
    facts = {"law": payload["law"], "loss": payload["loss"], "unit": payload["unit"], "value": f"{payload[name]:.4g}"}
    console.print(say("loss_alone", lang, what=say(f"run_{name}", lang), **facts), style="bold")
    if "enough_tokens" in payload:
        console.print(say("enough_tokens", lang, tokens=size(payload["enough_tokens"])))
    outside(payload, lang, console)


def optimum_line(payload: Payload, law: str, lang: str) -> str:
    params = (
        size(payload["params"]) if payload["params"] is not None else say("model_scale", lang, scale=size(payload["model_scale"]))
    )
    facts = {"tokens": size(payload["tokens"]), "ratio": ratio(payload["tokens_per_param"]), "loss": loss_text(payload["loss"])}
    return say("optimum_line", lang, law=law, flops=f"{payload['flops']:.4g}", params=params, **facts)


def _interval(payload: Payload, lang: str, console: Console) -> None:
    if "interval" in payload:
        found = payload["interval"]
        low, high = found["tokens_per_param"]
        facts = {"params": _span(found["params"]), "tokens": _span(found["tokens"]), "ratio": f"{low:.1f} – {high:.1f}"}
        console.print(say("interval_line", lang, **facts))


def _optimal(payload: Payload, lang: str, console: Console) -> None:
    console.print(optimum_line(payload, payload["law"], lang), style="bold")
    _interval(payload, lang, console)
    outside(payload, lang, console)
    if "band" not in payload:
        return
    table = table_of("", say("law", lang), "N", "M", "D", say("tokens_per_param", lang), say("loss", lang))
    table.add_column(say("unit", lang), overflow="fold")
    table.add_column(say("outside", lang))
    for row in payload["band"]:
        numbers = [
            size(row["params"]),
            size(row["model_scale"]),
            size(row["tokens"]),
            ratio(row["tokens_per_param"]),
            loss_text(row["loss"]),
        ]
        table.add_row(row["law"], *numbers, row["unit"], "×" if row["outside"] else "")
    console.print(table)
    console.print(say("split_uncertain", lang, factor=payload["uncertainty"]), style="bold")
    console.print(_rates(payload["hyperparameters"], lang))


def _allocate(payload: Payload, lang: str, console: Console) -> None:
    console.print(optimum_line(payload["optimum"], payload["law"], lang), style="bold")
    _interval(payload, lang, console)
    outside(payload, lang, console)
    table = table_of("", say("factor", lang), "N", "D", say("loss", lang), say("wasted", lang))
    for row in payload["off_optimum"]:
        table.add_row(
            f"{row['factor']:.3g}", size(row["params"]), size(row["tokens"]), f"{row['loss']:.4f}", percent(row["wasted"])
        )
    console.print(table)
    for key in ("at_params", "at_tokens"):
        if key in payload:
            row = payload[key]
            facts = {"params": size(row["params"]), "tokens": size(row["tokens"]), "loss": row["loss"]}
            console.print(say("at_point", lang, wasted=percent(row["wasted"]), **facts))
    for key in ("how_long", "how_big"):
        if key in payload:
            row = payload[key]
            console.print(say(key, lang, params=size(row["params"]), tokens=size(row["tokens"]), loss=row["loss"]))
    _in_use(payload, lang, console)
    _limited(payload, lang, console)


def _in_use(payload: Payload, lang: str, console: Console) -> None:
    if "in_use" not in payload:
        return
    found = payload["in_use"]
    console.print(say("in_use", lang, tokens=size(found["inference_tokens"])), style="bold")
    table = table_of("", say("law", lang), "N", "D", say("saving", lang))
    rows = [found, *[row for row in found["by_law"] if row["law"] != found["law"]]]
    for row in rows:
        table.add_row(row["law"], size(row["params"]), size(row["tokens"]), percent(row["saving"]))
    console.print(table)


def _limited(payload: Payload, lang: str, console: Console) -> None:
    if "limited" not in payload:
        return
    found = payload["limited"]
    sizes = {name: size(found[key]) for name, key in (("unique", "unique_tokens"), ("params", "params"), ("tokens", "tokens"))}
    console.print(say("limited_line", lang, **sizes, epochs=found["epochs"], worth=size(found["worth_tokens"]), loss=found["loss"]))
    outside(found, lang, console)


KNOWN = ("law", "title", "counts", "unit", "given", "outside", "learning_rate", "batch_tokens")


def _rates(rows: list[Payload], lang: str) -> Table:
    table = table_of("", *[say(key, lang) for key in ("law", "learning_rate", "batch_tokens", "more", "outside")])
    for row in rows:
        rate = f"{row['learning_rate']:.4g}" if "learning_rate" in row else ""
        rest = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if key not in KNOWN)
        table.add_row(row["law"], rate, size(row.get("batch_tokens")), rest, "×" if row["outside"] else "")
    return table


def _hyper(payload: Payload, lang: str, console: Console) -> None:
    console.print(_rates(payload["laws"], lang))
    if payload["batch_tokens_band"]:
        low, high = payload["batch_tokens_band"]
        console.print(say("batch_band", lang, low=size(low), high=size(high)), style="bold")


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "laws": _laws, "loss": _loss, "optimal": _optimal, "allocate": _allocate, "hyper": _hyper, "derive": derivations,
}  # fmt: skip
