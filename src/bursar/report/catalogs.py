"""The catalogs, for people: models, devices, clusters, optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.screen import screen, table_of
from bursar.report.units import whole
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    DRAW[verb](payload, lang, screen())


def _models(payload: Payload, lang: str, console: Console) -> None:
    table = table_of("", *[say(key, lang) for key in ("model", "family", "total", "active", "published")])
    table.add_column(say("source", lang), justify="left", overflow="fold")
    for row in payload["models"]:
        figures = [whole(row["total"]), whole(row["active"]), row["published"].get("total", "")]
        table.add_row(row["model"], row["family"], *figures, Text(row["title"]))
    console.print(table)
    for row in payload["models"]:
        if row["note"]:
            console.print(Text.assemble((row["model"], "bold"), " " + say("note_line", lang, note=row["note"])))


def _devices(payload: Payload, lang: str, console: Console) -> None:
    table = table_of(
        "", say("device", lang), "TFLOP/s bf16", "fp8", say("memory", lang), say("bandwidth", lang), say("link", lang), "alias"
    )

    def text(fact: Payload | None) -> str:
        return f"{fact['value']:g} {fact['unit']}" if fact else ""

    for row in payload["devices"]:
        peaks = [f"{row['peaks'][kind]['value']:g}" if kind in row["peaks"] else "" for kind in ("bf16", "fp8")]
        table.add_row(
            row["device"], *peaks, text(row["memory"]), text(row["memory_bandwidth"]), text(row["link"]), ", ".join(row["aliases"])
        )
    console.print(table)


def _optimizers(payload: Payload, lang: str, console: Console) -> None:
    table = table_of("", *[say(key, lang) for key in ("kind", "state", "update")])
    for row in payload["optimizers"]:
        state = row["state_per_param"]
        table.add_row(row["name"], state if isinstance(state, str) else f"{state:.9g}", row["update"])
    console.print(table)


def _clusters(payload: Payload, lang: str, console: Console) -> None:
    heads = [say(key, lang) for key in ("cluster", "device", "cluster_node", "cluster_domain", "cluster_network")]
    table = table_of("", *heads, say("cluster_size", lang))
    table.add_column(say("cluster_kind", lang), justify="left", overflow="fold")
    for row in payload["clusters"]:
        figures = [_fact(row[key]) for key in ("node", "link_domain", "network")]
        table.add_row(row["cluster"], row["device"], *figures, _fact(row["size"]), Text(row["network_kind"]))
    console.print(table)
    for row in payload["clusters"]:
        if row["pod"]:
            facts = {"name": row["cluster"], "pod": row["pod"]["value"], "over": row["oversubscription"]["value"]}
            console.print(Text(say("cluster_pod", lang, **facts)))


def _fact(fact: Payload | None) -> str:
    if fact is None:
        return ""
    return f"{fact['value']:,.6g}" + ("" if fact["unit"] == "devices" else f" {fact['unit']}")


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "models": _models, "devices": _devices, "clusters": _clusters, "optimizers": _optimizers,
}  # fmt: skip
