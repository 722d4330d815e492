"""Tables of the scaling verbs. Each function draws the object of one verb; none computes a law."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.derivations import constants, derivations
from bursar.report.layout import layout
from bursar.report.planned import run_line
from bursar.report.screen import screen, table_of
from bursar.report.units import both, duration, percent, short
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a scaling verb."""
    DRAW[verb](payload, lang, screen())


def _size(value: float | None) -> str:
    """Four digits with k, M, B or T, as the options take them."""
    return "" if value is None else short(value).replace(" ", "").replace("G", "B")


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _loss_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _span(pair: list[float]) -> str:
    return f"{_size(pair[0])} – {_size(pair[1])}"


def _outside(payload: Payload, lang: str, console: Console) -> None:
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
    facts = {"params": _size(payload["params"]), "tokens": _size(payload["tokens"]), "loss": payload["loss"]}
    console.print(say("loss_line", lang, law=payload["law"], unit=payload["unit"], **facts), style="bold")
    if len(payload["band"]) > 1:
        losses = [row["loss"] for row in payload["band"]]
        console.print(say("loss_band", lang, low=min(losses), high=max(losses)))
    _outside(payload, lang, console)


def _alone(payload: Payload, lang: str, console: Console) -> None:
    """The loss where one quantity alone limits it."""
    name = payload["alone"]
    facts = {"law": payload["law"], "loss": payload["loss"], "unit": payload["unit"], "value": f"{payload[name]:.4g}"}
    console.print(say("loss_alone", lang, what=say(f"run_{name}", lang), **facts), style="bold")
    if "enough_tokens" in payload:
        console.print(say("enough_tokens", lang, tokens=_size(payload["enough_tokens"])))
    _outside(payload, lang, console)


def _power(payload: Payload, lang: str, console: Console) -> None:
    console.print(say("power_line", lang, **payload), style="bold")


def _optimum_line(payload: Payload, law: str, lang: str) -> str:
    size = (
        _size(payload["params"]) if payload["params"] is not None else say("model_scale", lang, scale=_size(payload["model_scale"]))
    )
    facts = {"tokens": _size(payload["tokens"]), "ratio": _ratio(payload["tokens_per_param"]), "loss": _loss_text(payload["loss"])}
    return say("optimum_line", lang, law=law, flops=f"{payload['flops']:.4g}", params=size, **facts)


def _interval(payload: Payload, lang: str, console: Console) -> None:
    if "interval" in payload:
        found = payload["interval"]
        low, high = found["tokens_per_param"]
        facts = {"params": _span(found["params"]), "tokens": _span(found["tokens"]), "ratio": f"{low:.1f} – {high:.1f}"}
        console.print(say("interval_line", lang, **facts))


def _optimal(payload: Payload, lang: str, console: Console) -> None:
    console.print(_optimum_line(payload, payload["law"], lang), style="bold")
    _interval(payload, lang, console)
    _outside(payload, lang, console)
    if "band" not in payload:
        return
    table = table_of("", say("law", lang), "N", "M", "D", say("tokens_per_param", lang), say("loss", lang))
    table.add_column(say("unit", lang), overflow="fold")
    table.add_column(say("outside", lang))
    for row in payload["band"]:
        numbers = [
            _size(row["params"]),
            _size(row["model_scale"]),
            _size(row["tokens"]),
            _ratio(row["tokens_per_param"]),
            _loss_text(row["loss"]),
        ]
        table.add_row(row["law"], *numbers, row["unit"], "×" if row["outside"] else "")
    console.print(table)
    console.print(say("split_uncertain", lang, factor=payload["uncertainty"]), style="bold")
    console.print(_rates(payload["hyperparameters"], lang))


def _allocate(payload: Payload, lang: str, console: Console) -> None:
    console.print(_optimum_line(payload["optimum"], payload["law"], lang), style="bold")
    _interval(payload, lang, console)
    _outside(payload, lang, console)
    table = table_of("", say("factor", lang), "N", "D", say("loss", lang), say("wasted", lang))
    for row in payload["off_optimum"]:
        table.add_row(
            f"{row['factor']:.3g}", _size(row["params"]), _size(row["tokens"]), f"{row['loss']:.4f}", percent(row["wasted"])
        )
    console.print(table)
    for key in ("at_params", "at_tokens"):
        if key in payload:
            row = payload[key]
            facts = {"params": _size(row["params"]), "tokens": _size(row["tokens"]), "loss": row["loss"]}
            console.print(say("at_point", lang, wasted=percent(row["wasted"]), **facts))
    for key in ("how_long", "how_big"):
        if key in payload:
            row = payload[key]
            console.print(say(key, lang, params=_size(row["params"]), tokens=_size(row["tokens"]), loss=row["loss"]))
    _in_use(payload, lang, console)
    _limited(payload, lang, console)


def _in_use(payload: Payload, lang: str, console: Console) -> None:
    if "in_use" not in payload:
        return
    found = payload["in_use"]
    console.print(say("in_use", lang, tokens=_size(found["inference_tokens"])), style="bold")
    table = table_of("", say("law", lang), "N", "D", say("saving", lang))
    rows = [found, *[row for row in found["by_law"] if row["law"] != found["law"]]]
    for row in rows:
        table.add_row(row["law"], _size(row["params"]), _size(row["tokens"]), percent(row["saving"]))
    console.print(table)


def _limited(payload: Payload, lang: str, console: Console) -> None:
    if "limited" not in payload:
        return
    found = payload["limited"]
    sizes = {name: _size(found[key]) for name, key in (("unique", "unique_tokens"), ("params", "params"), ("tokens", "tokens"))}
    console.print(
        say("limited_line", lang, **sizes, epochs=found["epochs"], worth=_size(found["worth_tokens"]), loss=found["loss"])
    )
    _outside(found, lang, console)


KNOWN = ("law", "title", "counts", "unit", "given", "outside", "learning_rate", "batch_tokens")


def _rates(rows: list[Payload], lang: str) -> Table:
    table = table_of("", *[say(key, lang) for key in ("law", "learning_rate", "batch_tokens", "more", "outside")])
    for row in rows:
        rate = f"{row['learning_rate']:.4g}" if "learning_rate" in row else ""
        rest = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if key not in KNOWN)
        table.add_row(row["law"], rate, _size(row.get("batch_tokens")), rest, "×" if row["outside"] else "")
    return table


def _hyper(payload: Payload, lang: str, console: Console) -> None:
    console.print(_rates(payload["laws"], lang))
    if payload["batch_tokens_band"]:
        low, high = payload["batch_tokens_band"]
        console.print(say("batch_band", lang, low=_size(low), high=_size(high)), style="bold")


def _fit(payload: Payload, lang: str, console: Console) -> None:
    facts = {"file": payload["file"], "points": payload["points"], "form": payload["form"]}
    console.print(Text(say("fit_line", lang, **facts, agreement=percent(payload["start_agreement"])), style="bold"))
    table = table_of("", say("constants", lang), say("value", lang), say("stderr", lang), say("interval", lang))
    for name, value in payload["constants"].items():
        error, pair = payload["stderr"].get(name), payload["intervals"].get(name)
        table.add_row(name, f"{value:.7g}", "" if error is None else f"{error:.3g}", _pair(pair))
    console.print(table)
    side = table_of("", say("approach", lang), say("exponent", lang), say("stderr", lang), say("interval", lang))
    for name, found in payload["approaches"].items():
        if found is not None:
            error = found["stderr"]
            side.add_row(
                name.replace("_", " "), f"{found['a']:.4f}", "" if error is None else f"{error:.4f}", _pair(found["interval"])
            )
    console.print(side)
    if payload["held_out"]:
        held = payload["held_out"]
        console.print(say("held_out", lang, **{**held, "flops": f"{held['flops']:.3g}"}))
    for row in payload["outliers"]:
        console.print(Text(f"{say('line', lang)} {row['line']}: N {_size(row['params'])}, D {_size(row['tokens'])}, "
                           f"L {row['loss']:.4f}, {say('residual', lang)} {row['residual']:+.4f}"))  # fmt: skip
    if payload["without_outliers"]:
        console.print(say("without_outliers", lang, constants=constants(payload["without_outliers"])))
    for text in payload["warnings"]:
        console.print(Text(say("warning", lang, text=text), style="yellow"))


def _pair(pair: list[float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.5g} – {pair[1]:.5g}"


def _design(payload: Payload, lang: str, console: Console) -> None:
    console.print(_optimum_line(payload["optimum"], payload["law"], lang), style="bold")
    sizes = {key: _size(payload[key]) for key in ("params", "active", "count", "target", "tokens")}
    console.print(say("design_line", lang, family=payload["family"], rule=payload["rule"], **sizes), style="bold")
    _outside(payload, lang, console)
    console.print(Text(json.dumps(payload["config"], indent=2)))
    console.print(say("batch", lang, sequences=payload["global_batch"], seq=payload["seq"], tokens=payload["global_batch_tokens"]))
    facts = {"devices": payload["devices"], "device": payload["device"], "layout": layout(payload["plan"])}
    figures = {"step": duration(payload["step_s"]), "mfu": percent(payload["mfu"]), "peak": both(payload["peak"])}
    console.print(say("design_plan", lang, **facts, **figures))
    run_line({**payload, "run_tokens": payload["tokens"]}, lang, console)
    for row in payload["hyperparameters"]:
        rates = f"{say('learning_rate', lang)} {row['learning_rate']:.3g}, {say('batch_tokens', lang)} {_size(row['batch_tokens'])}"
        console.print(f"{row['law']}: {rates}")
    _losses(payload, lang, console)
    for note in payload["notes"]:
        console.print(Text(f"{say('note', lang)}: {note}"))


def _losses(payload: Payload, lang: str, console: Console) -> None:
    table = table_of("", say("law", lang), say("loss", lang))
    table.add_column(say("unit", lang), overflow="fold")
    table.add_column(say("outside", lang))
    for row in payload["losses"]:
        table.add_row(row["law"], f"{row['loss']:.4f}", row["unit"], "×" if row["outside"] else "")
    console.print(table)
    if payload["loss_band"]:
        low, high = payload["loss_band"]
        console.print(say("loss_band", lang, low=low, high=high), style="bold")


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "laws": _laws, "loss": _loss, "optimal": _optimal, "allocate": _allocate, "hyper": _hyper, "derive": derivations, "fit": _fit,
    "design": _design, "power": _power,
}  # fmt: skip
