"""bursar's own meter (`log="meter.jsonl"`): a JSON object for every reading, with `step` and `seconds_per_step`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator

from bursar.calibrate.logs.point import Point


def points(lines: Iterable[str]) -> Iterator[Point]:
    """Seconds of a step."""
    for line in lines:
        if not line.startswith("{") or '"seconds_per_step"' not in line:
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        step, seconds = found.get("step"), found.get("seconds_per_step")
        if type(step) is int and type(seconds) is float and math.isfinite(seconds) and seconds > 0:
            yield Point(step, seconds)
