"""Tables of fits and of designs. Each function draws the object of one verb; none computes a law."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.derivations import constants
from bursar.report.layout import layout
from bursar.report.planned import run_line
from bursar.report.scaling import optimum_line, outside, size
from bursar.report.screen import screen, table_of
from bursar.report.units import both, duration, percent
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a scaling verb."""
    DRAW[verb](payload, lang, screen())


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
        console.print(Text(f"{say('line', lang)} {row['line']}: N {size(row['params'])}, D {size(row['tokens'])}, "
                           f"L {row['loss']:.4f}, {say('residual', lang)} {row['residual']:+.4f}"))  # fmt: skip
    if payload["without_outliers"]:
        console.print(say("without_outliers", lang, constants=constants(payload["without_outliers"])))
    for text in payload["warnings"]:
        console.print(Text(say("warning", lang, text=text), style="yellow"))


def _pair(pair: list[float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.5g} – {pair[1]:.5g}"


def _power(payload: Payload, lang: str, console: Console) -> None:
    console.print(say("power_line", lang, **payload), style="bold")


def _design(payload: Payload, lang: str, console: Console) -> None:
    console.print(optimum_line(payload["optimum"], payload["law"], lang), style="bold")
    sizes = {key: size(payload[key]) for key in ("params", "active", "count", "target", "tokens")}
    console.print(say("design_line", lang, family=payload["family"], rule=payload["rule"], **sizes), style="bold")
    outside(payload, lang, console)
    console.print(Text(json.dumps(payload["config"], indent=2)))
    console.print(say("batch", lang, sequences=payload["global_batch"], seq=payload["seq"], tokens=payload["global_batch_tokens"]))
    facts = {"devices": payload["devices"], "device": payload["device"], "layout": layout(payload["plan"])}
    figures = {"step": duration(payload["step_s"]), "mfu": percent(payload["mfu"]), "peak": both(payload["peak"])}
    console.print(say("design_plan", lang, **facts, **figures))
    run_line({**payload, "run_tokens": payload["tokens"]}, lang, console)
    for row in payload["hyperparameters"]:
        rates = f"{say('learning_rate', lang)} {row['learning_rate']:.3g}, {say('batch_tokens', lang)} {size(row['batch_tokens'])}"
        console.print(f"{row['law']}: {rates}")
    _losses(payload, lang, console)
    for note in payload["notes"]:
        console.print(Text(say("note_line", lang, note=note)))


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


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {"fit": _fit, "power": _power, "design": _design}
