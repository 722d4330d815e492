"""Hugging Face's Trainer, which times no step: its progress bar `N/M [elapsed<remaining, …]`, else the summary of the run.

The bar counts whole seconds, so that steps are timed over stretches of it that are long beside one. The summary,
`{'train_runtime': T, …}` with the steps of the bar or of `TrainOutput(global_step=N, …)`, is the mean of a run with its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bursar.calibrate.logs.point import Point

STRETCH = 20  # seconds at the least: a whole one is 5 % of them
_BAR = re.compile(r"\b(\d{1,9})/(\d{1,9}) \[(?:(\d{1,4}):)?(\d{1,4}):(\d\d)<")
_RUNTIME = re.compile(r"'train_runtime': '?(\d{1,9}(?:\.\d{1,9})?)")
_STEPS = re.compile(r"TrainOutput\(global_step=(\d{1,9})")


def points(lines: Iterable[str]) -> Iterator[Point]:
    """Seconds of a step."""
    bars: list[tuple[int, int]] = []
    runtime: float | None = None
    steps: int | None = None
    for line in lines:
        if "/" in line:
            bars += [(int(bar[1]), _seconds(bar[3], bar[4], bar[5])) for bar in _BAR.finditer(line)]
        if found := _RUNTIME.search(line):
            runtime = float(found[1])
        if found := _STEPS.search(line):
            steps = int(found[1])
    timed = list(_stretches(bars))
    yield from timed
    steps = steps or max([step for step, _ in bars], default=0)
    if not timed and runtime and steps:
        yield Point(steps, runtime / steps, mean=True)


def _seconds(hours: str | None, minutes: str, seconds: str) -> int:
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)


def _stretches(bars: Iterable[tuple[int, int]]) -> Iterator[Point]:
    """Seconds of a step over stretches of one bar; where steps or seconds fall, another bar begins."""
    start: tuple[int, int] | None = None
    last: tuple[int, int] | None = None
    for step, elapsed in bars:
        if start is None or last is None or step < last[0] or elapsed < last[1]:
            start = step, elapsed
        elif step > start[0] and elapsed - start[1] >= STRETCH:
            yield Point(step, (elapsed - start[1]) / (step - start[0]))
            start = step, elapsed
        last = step, elapsed
