"""What a distributed step prints: for every kind of rank, collectives and bytes held, predicted beside measured."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.screen import screen
from bursar.report.units import whole
from bursar.report.words import say

Payload = dict[str, Any]


def show(payload: Payload, lang: str) -> None:
    """Ranks that did and hold the same are one table."""
    console = screen()
    console.print(Text(say("distributed_title", lang, **{name: payload[name] for name in ("model", "layers", "world", "backend")})))
    for places in payload["alike"]:
        _rank([payload["ranks"][place] for place in places], lang, console)
    console.print(say("distributed_equal" if payload["exact"] else "distributed_unequal", lang), style="bold")


def _rank(ranks: list[Payload], lang: str, console: Console) -> None:
    console.print()
    console.print(say("distributed_rank", lang, ranks=", ".join(str(rank["rank"]) for rank in ranks)), style="bold")
    first = ranks[0]
    if first["collectives"]:
        console.print(_collectives(first["collectives"], lang))
    console.print(_held(first["memory"], lang))
    for row in (*first["collectives"], *first["memory"]):
        for named in row["named"]:
            facts = [*([f"{named['count']:+,}"] if "count" in named else []), f"{named['bytes']:+,} B"]
            where = row.get("collective") or say(row["part"], lang)
            console.print(
                f"  {where} {', '.join(facts)}: {say('distributed_cause_' + named['cause'], lang)}", style="dim", markup=False
            )
    if first["unknown"]:
        console.print(say("distributed_unknown", lang, names=", ".join(first["unknown"])), style="bold", markup=False)


def _collectives(rows: list[Payload], lang: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in ("dimension", "collective"):
        table.add_column(say(f"distributed_{key}", lang))
    for key in ("count", "measured", "bytes", "measured"):
        table.add_column(say(f"distributed_{key}", lang), justify="right")
    table.add_column("")
    for row in rows:
        numbers = [whole(row[key]) for key in ("count", "measured_count", "bytes", "measured_bytes")]
        table.add_row(row["dimension"], row["collective"], *numbers, "=" if row["exact"] else "≠")
    return table


def _held(rows: list[Payload], lang: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(say("distributed_part", lang))
    for key in ("bytes", "measured"):
        table.add_column(say(f"distributed_{key}", lang), justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(say(row["part"], lang), whole(row["bytes"]), whole(row["measured_bytes"]), "=" if row["exact"] else "≠")
    return table
