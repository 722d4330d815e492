"""nanoGPT: `iter N: loss L, time Tms, mfu U%`, where T is that of the iteration itself, after an evaluation of both (train.py)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bursar.calibrate.logs.point import Point

_LINE = re.compile(r"\biter (\d{1,12}): loss [^\s,]{1,24}, time (\d{1,12}(?:\.\d{1,6})?)ms")


def points(lines: Iterable[str]) -> Iterator[Point]:
    """Seconds of a step."""
    for line in lines:
        found = _LINE.search(line) if "time" in line else None
        if found and float(found[2]) > 0:
            yield Point(int(found[1]), float(found[2]) / 1000)
