"""What a line of a log says of a step."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """A step, what was measured of it, and its sequences where the line says so. `mean`: of a whole run, its start included."""

    step: int
    value: float
    batch: int | None = None
    mean: bool = False
