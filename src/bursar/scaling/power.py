"""A power law through points: y = (scale / x)^exponent, a straight line in logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bursar.errors import PlanError


class Line(NamedTuple):
    """ln y = intercept + slope · ln x by least squares; `residual` is the largest distance of ln y from it."""

    slope: float
    intercept: float
    residual: float

    @property
    def scale(self) -> float:
        """The x at which y is 1."""
        return math.exp(-self.intercept / self.slope)


def through(points: Sequence[tuple[float, float]]) -> Line:
    """The line through at least two points of positive numbers. Raises PlanError where all are at one x, or the line is level."""
    if len({x for x, _ in points}) < 2:
        raise PlanError("a power law needs points at two different x", field="points", value=len(points), valid="X:Y X:Y …")
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(column) / len(logs) for column in zip(*logs, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread
    if slope == 0:
        raise PlanError("points at one height are no power law", field="points", valid="different y")
    intercept = mean_y - slope * mean_x
    return Line(slope, intercept, max(abs(y - intercept - slope * x) for x, y in logs))
