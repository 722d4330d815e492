"""The glossary as a table: the letters of these formulas, then those that papers give to several things."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from bursar.report.screen import screen
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the glossary."""
    console = screen()
    own = [symbol for symbol in payload["symbols"] if symbol["meanings"][0]["source"] == "bursar"]
    if own:
        table = _table("glossary_own", lang, "glossary_letter", "glossary_meaning", "glossary_word", "glossary_keys")
        for symbol in own:
            keys = ", ".join(symbol["config_keys"])
            table.add_row(symbol["letter"], symbol["meanings"][0]["meaning"], symbol["word"] or "", Text(keys))
        console.print(table)
    rows = [symbol for symbol in payload["symbols"] if symbol["clash"] or symbol not in own]
    if rows:
        table = _table("glossary_papers", lang, "glossary_letter", "glossary_meaning", "source")
        for symbol in rows:
            for place, meaning in enumerate(symbol["meanings"]):
                table.add_row("" if place else symbol["letter"], meaning["meaning"], Text(meaning["source"]))
        console.print(table)


def _table(title: str, lang: str, *columns: str) -> Table:
    table = Table(
        title=Text(say(title, lang)), title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False
    )
    for column in columns:
        table.add_column(say(column, lang), overflow="fold")
    return table
