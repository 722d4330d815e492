"""Tables of what differs. Each draws the object of `bursar diff`: the terms that differ, and how many do not."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.text import Text

from bursar.report.screen import screen, table_of
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print what differs."""
    console = screen()
    sides = payload["a"] or payload["model"], payload["b"]
    for row in payload["quantities"]:
        what = say(f"diff_{row['quantity']}", lang)
        title = what if row["unit"] == "1" else say("diff_title", lang, what=what, unit=row["unit"])
        table = table_of(title, say("part", lang), *[escape(side) for side in sides], say("diff_difference", lang))
        differing = [term for term in row["terms"] if term["difference"]]
        for term in differing:
            table.add_row(Text(term["term"]), *[_number(term[key]) for key in ("a", "b")], _signed(term["difference"]))
        table.add_section()
        table.add_row(say("total", lang), *[_number(row[key]) for key in ("a", "b")], _signed(row["difference"]))
        console.print(table)
        if alike := len(row["terms"]) - len(differing):
            console.print(Text(say("diff_alike", lang, count=alike), style="dim"))
    for name, cited in zip(sides, payload.get("sources", ()), strict=False):
        console.print(Text(say("explain_about", lang, path=name, title=cited), style="dim"))


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _signed(value: float) -> str:
    shown = _number(abs(value))
    return f"+{shown}" if value > 0 else f"−{shown}" if value < 0 else shown
