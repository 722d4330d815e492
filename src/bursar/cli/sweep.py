"""The best plan for every model on every device, count, length and batch of a spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.sweep import Progress, Swept


def sweep(options: Options) -> Payload:
    """The best plan for every model on every device, count, length and batch of a TOML spec, as a Parquet dataset; the same command
    goes on where a stopped one was."""
    from bursar import sweep as room

    if options["out"] is None:
        raise PlanError("a sweep needs a folder for its rows", field="out", valid="--out DIR")
    spec = room.read(options["spec"])
    found = _with_progress(
        lambda told: room.run(spec, options["out"], options["engine"], options["workers"], told), options["lang"]
    )
    statuses = [row["status"] for row in found.rows]
    return {
        "out": options["out"],
        "engine": options["engine"],
        "rows": len(found.rows),
        "chunks": found.skipped + found.computed,
        "skipped": found.skipped,
        "computed": found.computed,
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "best": room.best(found.rows),
    }


def _with_progress(run: Callable[[Progress], Swept], lang: str) -> Swept:
    """A bar on standard error while a sweep runs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from bursar.report.words import say

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(say("sweep_chunks", lang), total=None)
        return run(lambda done, every: bar.update(task, completed=done, total=every))
