"""A search, for people: the best plans, other counts of devices, the front, what one change would bring, what the host could take,
and a plan as the launch of a framework."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report import running
from bursar.report.layout import layout
from bursar.report.planned import batch_line, breakdown, heading, notes, run_line, stages
from bursar.report.screen import assumption, screen, table_of
from bursar.report.units import both, duration, gib, percent, short, whole
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    console = screen()
    _plan(payload, lang, console)
    assumption(payload, lang, console)


def _plan(payload: Payload, lang: str, console: Console) -> None:
    heading(console, payload["model"], f"{payload['devices']:,} × {payload['device']}")
    batch_line(payload, lang, console)
    counts(payload, lang, console)
    facts = {"searched": payload["searched"], "seconds": payload["seconds"], "feasible": payload["feasible"]}
    console.print(say("searched", lang, **facts, memory=both(payload["device_memory"]), device=payload["device"]))

    if not payload["best"]:
        _nothing_fits(payload, lang, console)
        beside(payload, lang, console)
        return
    _best(payload, lang, console)
    winner = {**payload["best"][0], "device": payload["device"]}
    console.print(stages(winner["stages"], lang))
    console.print(breakdown(winner, lang))
    beside(payload, lang, console)
    run_line(winner, lang, console)
    running.lines(winner, lang, console)
    console.print(say("runtime_note", lang), style="dim")
    notes(winner, lang, console)
    launch(payload, lang, console)


def _best(payload: Payload, lang: str, console: Console) -> None:
    columns = say("step", lang), "MFU", say("hidden", lang), f"{say('peak', lang)} GiB", say("days", lang), f"{say('cost', lang)} $"
    table = table_of("", "", *columns)
    for index, best in enumerate(payload["best"], 1):
        days = f"{best['days']:,.1f}" if "days" in best else ""
        cost = f"{best['cost_usd']:,.0f}" if best.get("cost_usd") is not None else ""
        times = f"{best['step_s']:.3f} s", percent(best["mfu"]), percent(best["hidden_share"])
        table.add_row(f"{index}. {layout(best)}", *times, gib(best["peak"]), days, cost)
    console.print(table)
    for index, best in enumerate(payload["best"], 1):
        console.print(f"{index}. {best['why']}")
    if payload["best"][0]["hidden_share"] > payload["hidden"]["most"]:
        known = {"share": percent(payload["best"][0]["hidden_share"]), "most": percent(payload["hidden"]["most"])}
        console.print(Text(say("hidden_note", lang, **known, growth=f"{payload['hidden']['growth']:g}")))
        console.print(Text(say("source_line", lang, source="; ".join(payload["hidden"]["sources"])), "dim"))


def _nothing_fits(payload: Payload, lang: str, console: Console) -> None:
    leanest, larger = payload["leanest"], payload["would_fit"]
    facts = {
        "layout": layout(leanest),
        "need": both(leanest["peak"]),
        "device": payload["device"],
        "memory": both(payload["device_memory"]),
    }
    console.print(say("none_fits", lang, **facts), style="bold")
    console.print(say("would_fit", lang, devices=larger["devices"], layout=layout(larger)) if larger else say("would_not", lang))


def counts(payload: Payload, lang: str, console: Console) -> None:
    """Print the best plan of every count of devices, where several were asked."""
    rows = payload.get("counts")
    if not rows:
        return
    table = table_of("", say("counts", lang), say("step", lang), say("sensitivity_faster", lang), "MFU", "GiB")
    run = [key for key in ("days", "cost_usd") if any(row.get(key) is not None for row in rows)]
    for key in run:
        table.add_column(
            say({"days": "days", "cost_usd": "cost"}[key], lang) + (" $" if key == "cost_usd" else ""), justify="right"
        )
    table.add_column("", overflow="fold")
    for row in rows:
        if not row["fits"]:
            why = row.get("why") or say("count_too_large", lang, need=gib(row["leanest_peak"]))
            table.add_row(whole(row["devices"]), *[""] * (4 + len(run)), Text(why))
            continue
        cells = f"{row['step_s']:.3f} s", short(row["tokens_per_s"]).strip(), percent(row["mfu"]), gib(row["peak"])
        cost = [f"{row[key]:,.1f}" if key == "days" else f"{row[key]:,.0f}" for key in run]
        table.add_row(whole(row["devices"]), *cells, *cost, Text(layout(row)))
    console.print(table)


def beside(payload: Payload, lang: str, console: Console) -> None:
    """Print what a search was asked beside its plans."""
    if found := payload.get("would_fit_offloaded"):
        facts = {"offload": ",".join(found["offload"]), "layout": layout(found), "step": duration(found["step_s"])}
        console.print(Text(say("would_fit_offloaded", lang, **facts)))
    if len(payload["pareto"]) > 1:
        console.print(_front(payload["pareto"], "counts" in payload, lang))
    if "sensitivity" in payload:
        console.print(_sensitivity(payload["sensitivity"], lang))


def launch(payload: Payload, lang: str, console: Console) -> None:
    """Print the launch of a plan, or where it was written; and why it is not that of the first, if it is not."""
    found = payload.get("launch")
    if not found:
        return
    for place, reason in enumerate(found["refused"], 1):
        console.print(Text(say("launch_refused", lang, place=place, reason=reason)))
    facts = {"framework": found["framework"], "place": found["place"] + 1, "layout": layout(payload["best"][found["place"]])}
    console.print(Text(say("launch_of", lang, **facts), style="bold"))
    if found["not_said"]:
        console.print(Text(say("launch_not_said", lang, fields=", ".join(found["not_said"])), style="dim"))
    if found["out"] is None:
        print(found["text"], end="")
    else:
        console.print(Text(say("launch_written", lang, out=found["out"], framework=found["framework"]), style="bold"))


def _front(points: list[Payload], counted: bool, lang: str) -> Table:
    """Plans of the front: what each needs in seconds, memory and, over several counts, device-hours."""
    table = table_of(
        "",
        say("front_counts" if counted else "front", lang),
        say("step", lang),
        "GiB",
        *([say("front_hours", lang)] if counted else []),
    )
    for point in points:
        hours = [f"{point['device_hours_per_step']:,.3g}"] if counted else []
        devices = f"{point['devices']:,} × " if counted else ""
        table.add_row(Text(devices + layout(point)), f"{point['step_s']:.3f} s", gib(point["peak"]), *hours)
    return table


def _sensitivity(rows: list[Payload], lang: str) -> Table:
    table = table_of("", say("sensitivity", lang), say("step", lang), say("sensitivity_faster", lang), "GiB")
    table.add_column("", overflow="fold")
    for row in rows:
        name = say(f"sensitivity_{row['change']}", lang)
        if "step_s" not in row:
            table.add_row(name, "", "", "", Text(say("sensitivity_none", lang)))
            continue
        faster = "" if row["faster"] is None else f"{100 * (row['faster'] - 1):+.1f} %"
        table.add_row(name, f"{row['step_s']:.3f} s", faster, gib(row["peak"]), Text(layout(row)))
    return table
