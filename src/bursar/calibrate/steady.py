"""The step time of a run once it is warm: the median of what its log says after the first tenth, and how far single steps lie off.

Caches, compilation and clocks settle in the first steps; evaluations, checkpoints and stragglers later are outliers that a median
does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from bursar.calibrate.logs.point import Point
from bursar.errors import PlanError

WARM_UP = 0.1  # share of the points that are left out, and one at the least
LEAST = 3  # points after it


class Steady(NamedTuple):
    """The value of a warm run, the points that it is from and those left out, their median distance from it over it, the sequences
    of a step where the log says so. `mean`: of a whole run."""

    value: float
    points: int
    left_out: int
    scatter: float
    batch: int | None
    mean: bool = False


def steady(points: Sequence[Point], where: str) -> Steady:
    """The median after the warm-up, ranks that print the same step together, at the batch that the run ends with.

    Raises PlanError where fewer than three points are left.
    """
    last = points[-1]
    if last.mean:
        return Steady(last.value, 1, 0, 0.0, last.batch, mean=True)
    alike = _by_step([point for point in points if point.batch == last.batch])
    cold = max(1, round(WARM_UP * len(alike)))
    warm = alike[cold:]
    if len(warm) < LEAST:
        raise PlanError(
            f"{where} times {len(alike)} steps, {len(warm)} after the first {cold}", field="file", value=len(alike),
            valid=f"{LEAST + 1} timed steps or more",
        )  # fmt: skip
    value = median(warm)
    return Steady(value, len(warm), cold, median([abs(one / value - 1) for one in warm]), last.batch)


def _by_step(points: Sequence[Point]) -> list[float]:
    """One value for each step, in order; where a run was resumed, the later ones."""
    found: dict[int, list[float]] = {}
    before = -1
    for point in points:
        if point.step < before:
            found = {step: values for step, values in found.items() if step < point.step}
        found.setdefault(point.step, []).append(point.value)
        before = point.step
    return [median(values) for _, values in sorted(found.items())]
