"""Measured peak memory that others published, replayed: one reader for each source, which turns its rows into jobs of bursar.

A reader says what the source's figure means (allocated by tensors, reserved by the allocator, or seen on the device), for which
ranks, and, as `LEFT_OUT`, which rows it leaves out because they leave a needed setting open. No constant is fitted to a row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bursar import Training
from bursar.memory import overheads

GIB = 2**30
MIB = 2**20
DEVICES = {"A100": "a100-80-sxm", "H100": "h100-sxm", "B200": "b200", "GB200": "gb200"}


class Row(NamedTuple):
    """One published figure beside ours, in bytes: its name in the source, what it is, and why they differ where that is known."""

    name: str
    predicted: float
    measured: float
    statistic: str  # allocated, reserved or device
    reason: str = ""

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1


class Sum(NamedTuple):
    """The errors of a source: rows, mean of their sizes, the largest, and the bias."""

    rows: int
    mean: float
    worst: float
    bias: float


def summary(rows: list[Row]) -> Sum:
    """The errors of one or more rows."""
    errors = [row.error for row in rows]
    sizes = [abs(error) for error in errors]
    return Sum(len(rows), sum(sizes) / len(rows), max(sizes), sum(errors) / len(rows))


def worst_of(rows: list[Row], count: int) -> list[Row]:
    """The rows that are furthest off."""
    return sorted(rows, key=lambda row: -abs(row.error))[:count]


def replayed(
    name: str, job: Training, measured: float, statistic: str, *, stage: int | None = None, workspace: int = 0, reason: str = ""
) -> Row:
    """The figure of a job on the rank of a stage, or on the worst one: tensors and the workspaces of libraries; of what is reserved
    with the gaps of the allocator; of the device with context and NCCL as well."""
    stages = job.memory()
    found = max(stages, key=lambda memory: memory.peak) if stage is None else stages[stage]
    tensors = found.peak - found.runtime + workspace
    gaps = 1 if statistic == "allocated" else overheads.tables()["allocator"]["reserved"]["usual"].si
    beside = found.runtime - workspace if statistic == "device" else 0
    return Row(name, float(tensors * gaps + beside), measured, statistic, reason)


def device_of(row: dict[str, str]) -> str:
    """The catalog's device of a row."""
    return DEVICES[row["gpu"].split("-")[0].split(" ")[0]]


def number(text: str) -> float | None:
    """A printed figure; None where a word stands in its place."""
    try:
        return float(text)
    except ValueError:
        return None


def table(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of a table of the published folder."""
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
