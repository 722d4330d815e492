"""Where reports are printed, and the table that most of them print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.words import say

PIPED_WIDTH = 120


def screen() -> Console:
    """Standard output, of one width where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def table_of(title: str, *columns: str) -> Table:
    """A table whose first column holds names and the others numbers."""
    table = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def assumption(payload: Mapping[str, Any], lang: str, console: Console) -> None:
    """Print what was assumed of a model, if anything was."""
    if assumed := payload.get("assumed"):
        console.print(say("assumed", lang, family=assumed.rsplit(" ", 1)[-1]), style="bold", markup=False)
