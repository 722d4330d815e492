"""The table of clusters."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from bursar.report.tables import _table, screen
from bursar.report.words import say


def show(verb: str, payload: dict[str, Any], lang: str) -> None:
    """Print the catalog of clusters."""
    console = screen()
    heads = [say(key, lang) for key in ("cluster", "device", "cluster_node", "cluster_domain", "cluster_network")]
    table = _table("", *heads, say("cluster_size", lang))
    table.add_column(say("cluster_kind", lang), justify="left", overflow="fold")
    for row in payload["clusters"]:
        figures = [_text(row[key]) for key in ("node", "link_domain", "network")]
        table.add_row(row["cluster"], row["device"], *figures, _text(row["size"]), Text(row["network_kind"]))
    console.print(table)
    for row in payload["clusters"]:
        if row["pod"]:
            facts = {"name": row["cluster"], "pod": row["pod"]["value"], "over": row["oversubscription"]["value"]}
            console.print(Text(say("cluster_pod", lang, **facts)))


def _text(fact: dict[str, Any] | None) -> str:
    if fact is None:
        return ""
    return f"{fact['value']:,.6g}" + ("" if fact["unit"] == "devices" else f" {fact['unit']}")
