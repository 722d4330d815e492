"""The replayed register for people: a table of numbers, every statement with the reason for its verdict, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bursar.report.screen import screen
from bursar.report.words import WORDS, say

Payload = dict[str, Any]
STYLES = {
    "reproduced": "green", "differs": "bold red", "refused": "bold red", "not built": "dim", "not measured": "dim", "OK": "green",
    "COND": "yellow", "WRONG": "bold red", "CONFLICT": "red", "GAP": "dim", "VAGUE": "yellow", "WISH": "dim",
    "ADOPTED": "green",
}  # fmt: skip
# the lines of a statement and of a convention: their sentence, the key of the answer
STATEMENT = (("check_stated", "claimed"), ("check_reason", "reason"))
CONVENTION = (("check_positions", "claimed"), ("check_convention", "convention"), ("check_because", "reason"))


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print what was replayed."""
    console = screen()
    numbers = [row for row in payload["check"] if "asked" in row]
    statements = [row for row in payload["check"] if "answered_by" in row]
    conventions = [row for row in payload["check"] if "convention" in row]
    if numbers:
        console.print(_numbers(numbers, lang))
    for row in statements:
        _said(row, STATEMENT, lang, console)
    for row in conventions:
        _said(row, CONVENTION, lang, console)
    _counts(payload, len(numbers), len(statements), lang, console)


def _numbers(rows: list[Payload], lang: str) -> Table:
    table = _plain(lang, ("", "check_verdict", "check_claimed", "check_what"))
    table.title = Text(say("check_numbers", lang), "bold")
    for row in rows:
        claimed = " ".join([row["claimed"], row["unit"]]).rstrip()
        verdict = Text(say(row["verdict"], lang), STYLES[row["verdict"]])
        table.add_row(Text(row["id"]), verdict, Text(claimed), Text(row["what"] + _more(row, lang)))
    return table


def _plain(lang: str, columns: tuple[str, ...]) -> Table:
    """A table of texts."""
    table = Table(title_justify="left", header_style="bold", box=None, pad_edge=False)
    for key in columns:
        table.add_column(say(key, lang) if key else "", overflow="fold")
    return table


def _more(row: Payload, lang: str) -> str:
    """What a number that is not reproduced needs said."""
    if row["verdict"] == "reproduced":
        return ""
    if row["verdict"] == "not measured":
        return "\n" + say("check_torch", lang)
    if row["verdict"] == "not built":
        return "\n" + say("check_needs", lang, text=row["needs"])
    refused = row["computed"] is None
    computed = say("check_refused", lang, text=row["error"]) if refused else f"{say('check_computed', lang)} {row['computed']}"
    return "\n".join(["", computed, *[say("check_asked", lang, text=line) for line in row["asked"]]])


def _said(row: Payload, keys: Sequence[tuple[str, str]], lang: str, console: Console) -> None:
    """A statement or a convention: its verdict, and what there is to say of it line by line."""
    head = Text.assemble((row["id"], "bold"), "  ", (say(row["verdict"], lang), STYLES[row["verdict"]]), "  ", row["what"])
    console.print(head)
    for key, name in keys:
        console.print(Padding(Text(say(key, lang, text=row[name])), (0, 0, 0, 2)))
    if row.get("answered_by"):
        console.print(Padding(Text(say("check_shows", lang, text="; ".join(row["answered_by"])), "dim"), (0, 0, 0, 2)))


def _counts(payload: Payload, numbers: int, statements: int, lang: str, console: Console) -> None:
    """How many of each verdict, by group and in all."""
    if numbers:
        verdicts = tuple(next(iter(payload["groups"].values())))
        table = _plain(lang, ("check_group", *verdicts, ""))
        for name, group in payload["groups"].items():
            title = say(f"check_{name}", lang) if f"check_{name}" in WORDS else ""
            table.add_row(Text(name), *[str(group[verdict]) for verdict in verdicts], title)
        if len(payload["groups"]) > 1:
            console.print(table)
        sums = {verdict.replace(" ", "_"): sum(group[verdict] for group in payload["groups"].values()) for verdict in verdicts}
        console.print(say("check_sum", lang, total=numbers, **sums), style="bold")
    if statements:
        found = {say(verdict, lang): count for verdict, count in payload["verdicts"].items() if count}
        parts = [say("check_part", lang, verdict=verdict, count=count) for verdict, count in found.items()]
        console.print(say("check_said", lang, total=statements, parts=say("comma", lang).join(parts)), style="bold")
