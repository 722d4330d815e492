"""Sweeps: the best plan for every model on every device, count, length and batch, as a Parquet dataset that grows.

A sweep that was stopped, by a kill too, goes on with the chunks that are not on disk yet: no row is lost, none is there twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bursar.errors import UnknownNameError
from bursar.sweep import parts
from bursar.sweep.answers import FITS, Row
from bursar.sweep.engines import ENGINES
from bursar.sweep.spec import Chunk, Spec, chunks, name, of, read

__all__ = ["Chunk", "ENGINES", "Spec", "Swept", "best", "chunks", "of", "read", "run"]

Progress = Callable[[int, int], None]


class Swept(NamedTuple):
    """A finished sweep: its rows, and the chunks that were on disk before and that were answered."""

    rows: list[Row]
    skipped: int
    computed: int


def run(
    spec: Spec, out: str, engine: str = "local", workers: int | None = None, progress: Progress = lambda done, all_: None
) -> Swept:
    """Answer what is not answered yet. `progress` is told chunks that are done, of how many."""
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    every = list(chunks(spec))
    folder = parts.folder(out, name(every))
    finished = parts.finished(folder)
    left = [chunk for chunk in every if chunk.key not in finished]
    done = len(every) - len(left)
    progress(done, len(every))
    if left:
        for key, rows in ENGINES[engine](left, workers or os.cpu_count() or 1):
            parts.add(folder, key, rows)
            done += 1
            progress(done, len(every))
    return Swept(_rows(folder, every), len(every) - len(left), len(left))


def _rows(folder: Path, every: list[Chunk]) -> list[Row]:
    return parts.rows(folder, [chunk.key for chunk in every])


def best(rows: Iterable[Row]) -> list[Row]:
    """For every model and device, the row with most tokens per second and device."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        pair = row["model"], row["device"]
        rate = row["tokens_per_s_per_device"] if row["status"] == FITS else -1.0
        held = found.get(pair)
        if held is None or rate > (held["tokens_per_s_per_device"] or -1.0):
            found[pair] = row
    return list(found.values())
