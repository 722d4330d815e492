"""Training logs: the lines that time a step, and what they measure.

A log is read line by line with patterns that take time linear in a line; nothing in it is executed or followed. Where a log has
lines of several tools, the first of `FORMATS` that times steps is read, and the answer names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bursar.calibrate.logs import deepspeed, megatron, meter, nanogpt, torchtitan, trainer
from bursar.calibrate.logs.point import Point
from bursar.errors import PlanError, UnknownNameError, shown
from bursar.own import check

LONGEST = 65_536  # characters of a line that are looked at
LARGEST = 2**31  # bytes of a log


class Format(NamedTuple):
    """A tool's log: what the value of its points is (a key of `runs.MEASURES`), and how its lines are read."""

    name: str
    measures: str
    points: Callable[[Iterable[str]], Iterator[Point]]


class Log(NamedTuple):
    """The points of a log, in order."""

    format: str
    measures: str
    points: tuple[Point, ...]


FORMATS: Mapping[str, Format] = {
    row.name: row
    for row in (
        Format("megatron", "step_s", megatron.points),
        Format("torchtitan", "tokens_per_s_per_device", torchtitan.points),
        Format("nanogpt", "step_s", nanogpt.points),
        Format("deepspeed", "samples_per_s", deepspeed.points),
        Format("bursar", "step_s", meter.points),
        Format("trainer", "step_s", trainer.points),
    )
}


def read(path: str | Path, name: str | None = None) -> Log:
    """The points of a log, of the format that is named or of the first that has any.

    Raises PlanError for a file that is not there or times no step, UnknownNameError for an unknown format.
    """
    if name is not None and name not in FORMATS:
        raise UnknownNameError("log format", name, FORMATS)
    place = Path(path)
    for row in FORMATS.values() if name is None else (FORMATS[name],):
        points = tuple(row.points(_lines(place)))
        if points:
            return Log(row.name, row.measures, points)
    asked = ", ".join(FORMATS) if name is None else name
    raise PlanError(
        f"no line of {place.name} times a step",
        field="file",
        value=str(place),
        valid=f"a log with lines of {asked}, or runs as .csv or .json",
    )


def _lines(place: Path) -> Iterator[str]:
    """The lines of a file, the longest cut short."""
    try:
        check(place, LARGEST, "a log, or runs as .csv or .json")
        with place.open(encoding="utf-8", errors="replace", newline="\n") as file:
            while line := file.readline(LONGEST):
                yield line
    except OSError as error:
        raise PlanError(f"cannot read {shown(str(place))}: {error.strerror}", field="file", value=str(place)) from None
