"""What `bursar profile` prints: the memory of the step, its highest moment by category, and where the time went."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar import own
from bursar.report.chart import PARTS, panel, terminal
from bursar.report.plot import Panel
from bursar.report.screen import screen
from bursar.report.units import duration, whole
from bursar.report.words import say

Payload = dict[str, Any]
MOST = 12  # operators in the table
SHOWN = 2**26  # bytes from which a chart in GiB shows something
CATEGORIES = ("parameters", "optimizer_state", "gradients", "activations", "inputs", "temporary")


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer, and write it as HTML where a file was named."""
    profile(payload, lang, screen())
    if payload["html"]:
        _html(payload, lang)


def profile(payload: Payload, lang: str, console: Console) -> None:
    console.print(Text(say("profile_title", lang, module=payload["module"], step=duration(payload["measured"]["step_s"])), "bold"))
    if "layers" in payload:
        console.print(say("profile_asked", lang, **payload), style="dim")
    if payload["highest"]["total"] >= SHOWN:
        console.print(terminal(_moments(payload), lang), markup=False, highlight=False)
    console.print(say("profile_highest", lang, **payload["highest"]), markup=False)
    console.print(_memory(payload, lang))
    measured = payload["measured"]
    console.print(say("profile_peak", lang, bytes=whole(measured["peak"]), operator=measured["operator"]), markup=False)
    if "predicted" in payload:
        predicted = payload["predicted"]
        apart = {key: f"{payload[key]:+,}" for key in ("difference", "between_operators")}
        told = {"bytes": whole(predicted["peak"]), "moment": predicted["moment"], **apart, "scalars": whole(payload["scalars"])}
        console.print(say("profile_predicted", lang, **told), markup=False)
        if payload["kernels"] == "sdpa":
            console.print(say("profile_sdpa", lang), style="dim")
    console.print(_times(payload, lang))
    console.print(say("profile_rates", lang, **payload["rates"]), style="dim")


def _memory(payload: Payload, lang: str) -> Table:
    row = payload["highest"]
    table = Table(box=None, pad_edge=False)
    for name in CATEGORIES:
        table.add_column(say(f"profile_{name}", lang), justify="right")
    table.add_row(*[whole(row[name]) for name in CATEGORIES])
    return table


def _times(payload: Payload, lang: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(say("profile_operator", lang))
    for name in ("profile_calls", "profile_measured", "profile_least"):
        table.add_column(say(name, lang), justify="right")
    for row in payload["operators"][:MOST]:
        least = "-" if row["predicted_s"] is None else duration(row["predicted_s"])
        table.add_row(Text(row["op"]), whole(row["calls"]), duration(row["seconds"]), least)
    return table


def _moments(payload: Payload) -> list[Payload]:
    """The rows of the timeline in the parts of a step's memory."""
    none = dict.fromkeys(PARTS, 0)
    return [
        {
            **none,
            "moment": f"{row['phase']} {row['operator']}",
            "weights": row["parameters"],
            **{part: row[part] for part in ("optimizer_state", "gradients", "activations")},
            "temporary": row["temporary"] + row["inputs"],
            "total": row["total"],
        }
        for row in payload["timeline"]
    ]


def _picture(payload: Payload, lang: str) -> list[Panel]:
    return [panel(_moments(payload), say("profile_title", lang, module=payload["module"], step=""), lang)]


DRAW = {"profile": _picture}


def _html(payload: Payload, lang: str) -> None:
    from io import StringIO

    console = Console(record=True, width=160, file=StringIO(), highlight=False)
    profile(payload, lang, console)
    own.write(payload["html"], console.export_html(), "html")
