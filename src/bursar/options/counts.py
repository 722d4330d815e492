"""Counts of devices that one question goes through: 32, 32-64, 32,64,128, 32-256:32."""

from __future__ import annotations

import re
from typing import NamedTuple

from bursar.errors import PlanError
from bursar.options.option import Option, degree

MOST = 64  # counts of a question: each is a search of its own
_RANGE = re.compile(r"([^-:]+)(?:-([^-:]+)(?::([^-:]+))?)?")
VALID = "a count, or counts such as 32-64 (by whole nodes), 32,64,128 or 32-256:32"


class Counts(NamedTuple):
    """Ranges of counts, each from, to and by; by None: the devices of a node."""

    ranges: tuple[tuple[int, int, int | None], ...]

    def each(self, node: int) -> tuple[int, ...]:
        """Every count once, in order."""
        ranges = [range(low, high + 1, by or node) for low, high, by in self.ranges]
        if sum(len(one) for one in ranges) > MOST:
            raise PlanError(f"{sum(len(one) for one in ranges):,} counts of devices", field="devices", valid=f"at most {MOST}")
        return tuple(sorted({count for one in ranges for count in one}))


def counts(text: str | int) -> Counts:
    """Counts from text."""
    return Counts(tuple([_range(part) for part in str(text).split(",")]))


def _range(part: str) -> tuple[int, int, int | None]:
    match = _RANGE.fullmatch(part.strip())
    if match is None:
        raise ValueError(VALID)
    try:
        low, high, by = (None if word is None else degree(word.strip()) for word in match.groups())
    except ValueError:
        raise ValueError(VALID) from None
    if low is None or (high is not None and high < low):
        raise ValueError(VALID)
    return low, low if high is None else high, by


SEVERAL = Option(
    "devices",
    counts,
    None,
    (),
    "number of devices, or several: 32-64 (by whole nodes), 32,64,128, 32-256:32",
    "设备数，或多个设备数：32-64（按整节点）、32,64,128、32-256:32",
)
