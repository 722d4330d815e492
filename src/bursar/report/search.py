"""What a search says beside its plans: what one change would bring, and what the host could take."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.layout import layout
from bursar.report.units import duration, gib
from bursar.report.words import say

Payload = dict[str, Any]


def beside(payload: Payload, lang: str, console: Console) -> None:
    """Print what a search was asked beside its plans."""
    if found := payload.get("would_fit_offloaded"):
        facts = {"offload": ",".join(found["offload"]), "layout": layout(found), "step": duration(found["step_s"])}
        console.print(Text(say("would_fit_offloaded", lang, **facts)))
    if "sensitivity" in payload:
        console.print(_sensitivity(payload["sensitivity"], lang))


def _sensitivity(rows: list[Payload], lang: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate((say("sensitivity", lang), say("step", lang), say("sensitivity_faster", lang), "GiB", "")):
        table.add_column(name, justify="left" if index in (0, 4) else "right", overflow="fold")
    for row in rows:
        name = say(f"sensitivity_{row['change']}", lang)
        if "step_s" not in row:
            table.add_row(name, "", "", "", Text(say("sensitivity_none", lang)))
            continue
        faster = "" if row["faster"] is None else f"{100 * (row['faster'] - 1):+.1f} %"
        table.add_row(name, f"{row['step_s']:.3f} s", faster, gib(row["peak"]), Text(layout(row)))
    return table
