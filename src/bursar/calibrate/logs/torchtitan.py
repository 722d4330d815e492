"""torchtitan: `step: N  loss: …  memory: …  tps: R  tflops: …  mfu: …`, with colours or without, once for each rank that prints.

torchtitan/components/metrics.py. R is tokens per second and device since the last line; the first releases call it wps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bursar.calibrate.logs.point import Point

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_STEP = re.compile(r"\bstep:\s{0,20}(\d{1,12})\b")
_RATE = re.compile(r"\b[tw]ps:\s{0,20}(\d[\d,]{0,20}(?:\.\d{1,6})?)")


def points(lines: Iterable[str]) -> Iterator[Point]:
    """Tokens per second and device."""
    for line in lines:
        if "ps:" not in line:
            continue
        plain = _COLOUR.sub("", line)
        step, rate = _STEP.search(plain), _RATE.search(plain)
        if step and rate and (value := float(rate[1].replace(",", ""))) > 0:
            yield Point(int(step[1]), value)
