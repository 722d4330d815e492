"""What a job needs, for people: its memory, its time. No cost is computed here."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report import running
from bursar.report.layout import layout
from bursar.report.planned import batch_line, breakdown, heading, notes, run_line, stages
from bursar.report.screen import assumption, screen, table_of
from bursar.report.units import both, gib, percent, short
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    console = screen()
    (_memory if verb == "memory" else _time)(payload, lang, console)
    assumption(payload, lang, console)


def _memory(payload: Payload, lang: str, console: Console) -> None:
    plan = payload["plan"]
    heading(console, payload["model"], layout(plan), f"{plan['precision']}, {plan['optimizer']}")
    batch_line(payload, lang, console)
    console.print(stages(payload["stages"], lang))
    console.print(_fit(payload["peak"], payload["device_memory"], payload["device"], lang), style="bold")
    if "managed" in payload:
        console.print(say("managed", lang, bytes=both(payload["managed"])))
    if "hosted" in payload:
        console.print(_on_the_host(payload, lang))
    if payload["certain"] is False:
        band = {key: both(value) for key, value in payload["peak_band"].items()}
        console.print(say("uncertain", lang, **band, memory=both(payload["device_memory"])), style="bold")
    console.print(say("runtime_note", lang), style="dim")
    console.print(_overheads(payload, lang), style="dim")
    worst = [stage["peak"] for stage in payload["stages"]].index(payload["peak"])
    console.print(say("peak_moment", lang, moment=payload["moments"][worst]["moment"]), style="dim")
    if "timeline" in payload:
        from bursar.report import chart

        console.print(say("timeline", lang, stage=payload["timeline_stage"]), style="bold")
        console.print(chart.terminal(payload["timeline"], lang), markup=False)
    if "what_if" in payload:
        console.print(_what_if(payload, lang))
        refused = [row["knob"] for row in payload["what_if"] if row["why_not"] is not None]
        console.print(Text(say("what_if_refused", lang, changes=say("comma", lang).join(refused))), style="dim")


def _fit(peak: int, capacity: int | None, device: str | None, lang: str) -> str:
    if capacity is None:
        return f"{say('peak', lang)} {both(peak)}"
    facts = {"memory": both(capacity), "device": device, "free": both(capacity - peak), "missing": both(peak - capacity)}
    return say("fits" if peak <= capacity else "fits_not", lang, **facts)


def _overheads(payload: Payload, lang: str) -> str:
    """What is measured, NCCL's groups together, with the band of it all, and what the allocator reserves."""
    kinds: dict[str, int] = {}
    for one in payload["overheads"]:
        kind = one["name"].split(".")[0]
        kinds[kind] = kinds.get(kind, 0) + one["bytes"]
    low, high = (sum([one[end] for one in payload["overheads"]]) for end in ("low", "high"))
    reserved = payload["reserved"]
    return say(
        "overheads",
        lang,
        parts=say("comma", lang).join([f"{say(f'overhead_{kind}', lang)} {gib(value)} GiB" for kind, value in kinds.items()]),
        low=f"{gib(low)} GiB",
        high=f"{gib(high)} GiB",
        reserved=f"{gib(reserved['value'])} GiB",
        reserved_low=gib(reserved["low"]),
        reserved_high=f"{gib(reserved['high'])} GiB",
    )


def _on_the_host(payload: Payload, lang: str) -> str:
    """What the stage that has most on the host has there."""
    most = max(payload["hosted"], key=lambda stage: sum(stage.values()))
    parts = [f"{say(key, lang)} {both(value)}" for key, value in most.items() if value]
    return say("host_note", lang, parts=say("comma", lang).join(parts))


def _what_if(payload: Payload, lang: str) -> Table:
    """The changes that are possible, those that save most first."""
    columns = [say("change", lang), f"{say('peak', lang)} GiB", say("saved", lang), say("step", lang)]
    table = table_of(say("what_if", lang), *columns)
    for row in payload["what_if"]:
        if row["why_not"] is None:
            time = "" if row["slower_s"] is None else f"{row['slower_s']:+.3f} s"
            table.add_row(row["knob"], gib(row["peak"]), gib(row["saved"]), time)
    return table


def _time(payload: Payload, lang: str, console: Console) -> None:
    heading(console, payload["model"], layout(payload["plan"]), f"{payload['devices']:,} × {payload['device']}")
    batch_line(payload, lang, console)
    console.print(breakdown(payload, lang))
    shares = {"mfu": percent(payload["mfu"]), "hfu": percent(payload["hfu"])}
    rates = {"tokens": short(payload["tokens_per_s"]), "tflops": payload["model_tflops_per_device"]}
    console.print(say("rates_line", lang, **rates, **shares), style="bold")
    run_line(payload, lang, console)
    running.lines(payload, lang, console)
    notes(payload, lang, console)
