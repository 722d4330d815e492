"""What reports of a plan share: its model and batch, memory by stage, seconds by part, the run that it makes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.screen import table_of
from bursar.report.units import duration, gib, percent
from bursar.report.words import say

Payload = dict[str, Any]


def heading(console: Console, name: str, *rest: str) -> None:
    """A model's name, which may be any path, and what follows it."""
    console.print(Text.assemble((name, "bold"), "  ", "  ".join(rest)))


def batch_line(payload: Payload, lang: str, console: Console) -> None:
    line = say("batch", lang, sequences=payload["global_batch"], seq=payload["seq"], tokens=payload["global_batch_tokens"])
    asked = payload.get("asked_tokens")
    if asked and asked != payload["global_batch_tokens"]:
        line += say("batch_rounded", lang, asked=asked)
    console.print(line)


def stages(stages: list[Payload], lang: str) -> Table:
    """Memory by stage and category; categories that are zero everywhere are left out, equal stages shown once."""
    keys = [key for key in stages[0] if key == "peak" or any(stage[key] for stage in stages)]
    table = table_of("GiB", say("stage", lang), *[say(key, lang) for key in keys])
    start = 0
    for index, stage in enumerate(stages):
        if index + 1 < len(stages) and stages[index + 1] == stage:
            continue
        table.add_row(str(index) if start == index else f"{start}–{index}", *[gib(stage[key]) for key in keys])
        start = index + 1
    return table


def breakdown(payload: Payload, lang: str) -> Table:
    table = table_of("", say("part", lang), "s", say("share", lang))
    for key, value in payload["breakdown_s"].items():
        if value:
            table.add_row(say(key, lang), f"{value:,.4f}", percent(value / payload["step_s"]))
    table.add_row(say("step", lang), f"{payload['step_s']:,.4f}", "")
    return table


def run_line(payload: Payload, lang: str, console: Console) -> None:
    if "days" not in payload:
        return
    cost = ""
    if payload["cost_usd"] is not None:
        price = payload["cost_usd"] / payload["device_hours"]
        cost = say("cost_note", lang, usd=f"${payload['cost_usd']:,.0f}", price=f"${price:.2f}")
    facts = {"tokens": payload["run_tokens"], "steps": payload["steps"], "days": payload["days"], "low": payload["days_low"]}
    console.print(say("run", lang, **facts, high=payload["days_high"], hours=payload["device_hours"], cost=cost), style="bold")


def notes(payload: Payload, lang: str, console: Console) -> None:
    low, high = payload["step_s_band"]
    step = payload["step_s"]
    facts = {"low": low / step, "high": high / step, "low_s": duration(low), "high_s": duration(high)}
    origin = payload["band_origin"]
    console.print(say("band" if origin == "uncalibrated" else f"band_{origin}", lang, **facts), style="dim")
    if "host_update_s_band" in payload:
        fastest, slowest = payload["host_update_s_band"]
        usual = payload["breakdown_s"]["optimizer"]
        console.print(say("host_band", lang, usual=duration(usual), low=duration(fastest), high=duration(slowest)), style="dim")
    mask = say(f"mask_{payload['mask']}", lang)
    console.print(say("mfu_note", lang, mask=mask, dtype=payload["peak_dtype"], device=payload["device"]), style="dim")
