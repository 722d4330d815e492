"""What a sweep prints: where its rows are, and the best of every model on every device."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from bursar.report.layout import layout
from bursar.report.screen import screen
from bursar.report.units import duration, gib, percent, short, whole
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    console = screen()
    counts = {name: whole(payload[name]) for name in ("rows", "chunks", "skipped", "computed")}
    console.print(Text(say("sweep_done", lang, out=payload["out"], **counts), style="bold"))
    table = Table(title=Text(say("sweep_best", lang)), title_justify="left", box=None, pad_edge=False, header_style="bold")
    right = ("devices_count", "sweep_seq", "sweep_batch", "step", "mfu_column", "sweep_rate", "peak")
    for column in ("sweep_model", "device", *right, "sweep_plan"):
        table.add_column(say(column, lang), justify="right" if column in right else "left")
    for row in payload["best"]:
        table.add_row(*_cells(row, lang))
    console.print(table)


def _cells(row: Payload, lang: str) -> list[str]:
    asked = [row["model"], row["device"], whole(row["devices"]), whole(row["seq"])]
    if row["status"] != "fits":
        return [*asked, "", "", "", "", "", row["why"]]
    numbers = [
        whole(row["global_batch"]),
        duration(row["step_s"]),
        percent(row["mfu"]),
        short(row["tokens_per_s_per_device"]).strip(),
    ]
    return [*asked, *numbers, f"{gib(row['peak'])} GiB", layout({**row, "cp_comm": ""})]
