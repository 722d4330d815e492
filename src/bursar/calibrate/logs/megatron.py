"""Megatron-LM and its descendants: `iteration N/M | … | elapsed time per iteration (ms): T | … | global batch size: B |`.

megatron/training/training.py, `training_log`. T is the mean since the last line; later releases print a mean of several behind a
slash, which is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bursar.calibrate.logs.point import Point

_STEP = re.compile(r"\biteration\s{1,20}(\d{1,12})/")
_TIME = re.compile(r"elapsed time per iteration \(ms\):\s{0,20}(\d{1,12}(?:\.\d{1,12})?)")
_BATCH = re.compile(r"global batch size:\s{0,20}(\d{1,12})")


def points(lines: Iterable[str]) -> Iterator[Point]:
    """Seconds of a step."""
    for line in lines:
        if "elapsed time per iteration" not in line:
            continue
        step, time, batch = _STEP.search(line), _TIME.search(line), _BATCH.search(line)
        if step and time and float(time[1]) > 0:
            yield Point(int(step[1]), float(time[1]) / 1000, int(batch[1]) if batch else None)
