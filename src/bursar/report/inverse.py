"""What inverse questions and the adviser print, from the objects that they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.layout import layout
from bursar.report.screen import screen, table_of
from bursar.report.units import both, duration, gib, percent, short, whole
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    DRAW[verb](payload, lang, screen())


def _found(key: str, *names: str) -> Callable[[Payload, str, Console], None]:
    """A heading made of some values, the plan that shows it, its run, and what was tried."""

    def draw(payload: Payload, lang: str, console: Console) -> None:
        if any(payload[name] is None for name in names):
            console.print(Text(say("find_nothing", lang), style="bold"))
        else:
            numbers = {name: whole(payload[name]) if isinstance(payload[name], int) else payload[name] for name in names}
            console.print(Text(say(key, lang, **numbers), style="bold"))
        _plan(payload, lang, console)
        tried = ", ".join(whole(item) if isinstance(item, int) else item for item in payload["tried"])
        console.print(Text(say("find_tried", lang, tried=tried), style="dim"))

    return draw


def _plan(payload: Payload, lang: str, console: Console) -> None:
    if "plan" in payload:
        facts = {"step": duration(payload["step_s"]), "mfu": percent(payload["mfu"]), "peak": both(payload["peak"])}
        console.print(Text(say("find_plan", lang, plan=layout(payload["plan"]), **facts)))
    if "days" in payload:
        console.print(Text(_run(payload, lang)))


def _run(run: Mapping[str, Any], lang: str) -> str:
    cost = say("find_no_price", lang) if run["cost_usd"] is None else f"{run['cost_usd']:,.0f} USD"
    return say("find_run", lang, days=run["days"], low=run["days_low"], high=run["days_high"], cost=cost)


def _offers(payload: Payload, lang: str, console: Console) -> None:
    title = say("find_offers", lang, model=payload["model"], tokens=short(payload["tokens"]).strip(), days=payload["days_allowed"])
    table = table_of(title)
    for column in ("device", "devices_count", "days", "cost", "mfu_column"):
        table.add_column(say(column, lang), justify="left" if column == "device" else "right")
    for offer in payload["offers"]:
        cost = say("find_no_price", lang) if offer["cost_usd"] is None else f"{offer['cost_usd']:,.0f} USD"
        table.add_row(offer["device"], whole(offer["devices"]), f"{offer['days']:.1f}", cost, percent(offer["mfu"]))
    console.print(table if payload["offers"] else Text(say("find_nothing", lang), style="bold"))


def _advice(payload: Payload, lang: str, console: Console) -> None:
    facts = {"step": duration(payload["step_s"]), "peak": both(payload["peak"])}
    console.print(Text(say("advise_title", lang, model=payload["model"], device=payload["device"], **facts), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("advise_limit", "step", "share", "advise_part"):
        table.add_column(say(column, lang), justify="right" if column in ("step", "share") else "left")
    for limit in payload["limits"]:
        name = say(f"limit_{limit['name']}", lang)
        table.add_row(name, duration(limit["seconds"]), percent(limit["share"]), say(limit["part"], lang))
    console.print(table)
    _remedies("to_fit", "advise_to_fit", payload, lang, console)
    _remedies("remedies", "advise_remedy", payload, lang, console)
    _remedies("too_large", "advise_too_large", payload, lang, console)
    if not payload["remedies"] and not payload["too_large"]:
        console.print(say("advise_none", lang))


def _remedies(key: str, title: str, payload: Payload, lang: str, console: Console) -> None:
    if not payload[key]:
        return
    table = table_of(say(title, lang))
    for column in ("advise_remedy", "advise_saves", "share", "advise_shortens", "peak"):
        table.add_column(say(column, lang), justify="left" if column in ("advise_remedy", "advise_shortens") else "right")
    for remedy in payload[key]:
        saves = ("−" if remedy["saves_s"] < 0 else "") + duration(abs(remedy["saves_s"]))
        cells = (saves, f"{100 * remedy['faster']:+.1f} %", say(remedy["part"], lang), f"{gib(remedy['peak'])} GiB")
        table.add_row(remedy["knob"], *cells)
    console.print(table)


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "cluster": _found("find_cluster", "model", "device", "devices"),
    "context": _found("find_context", "model", "device", "devices", "seq"),
    "batch": _found("find_batch", "model", "device", "micro_batch", "seq"),
    "model": _found("find_model", "device", "devices", "model"),
    "device": _offers,
    "advise": _advice,
}
