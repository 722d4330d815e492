"""DeepSpeed: `epoch=E/micro_step=M/global_step=N, RunningAvgSamplesPerSec=A, CurrSamplesPerSec=C, …`, earlier `E/N, …`.

deepspeed/utils/timer.py, `ThroughputTimer`. C is the sequences of the last step, of all ranks, over the time of its passes and its
update: what a loop does between them, such as loading data, is not in it. A is a mean since the start and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bursar.calibrate.logs.point import Point

_STEP = re.compile(r"(?:global_step=|\]\s{0,4}\d{1,9}/)(\d{1,12}), RunningAvg")
_RATE = re.compile(r"CurrSamplesPerSec=(\d{1,12}(?:\.\d{1,24})?)")


def points(lines: Iterable[str]) -> Iterator[Point]:
    """Sequences per second."""
    for line in lines:
        if "CurrSamplesPerSec=" not in line:
            continue
        step, rate = _STEP.search(line), _RATE.search(line)
        if step and rate and float(rate[1]) > 0:
            yield Point(int(step[1]), float(rate[1]))
