"""Lost updates: many small additions to one number, each rounded to a format.

An addend is lost when it is below half the distance of the sum to its next number, about 2^(−M−1) of the sum for M mantissa bits,
whence FP32 master weights. Stochastic rounding keeps the mean right, Kahan's sum carries what rounding took off along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar.formats import Float
from bursar.theory.neighbours import STOCHASTIC
from bursar.theory.rounding import rounder

PLAIN, KAHAN = "plain", "kahan"
METHODS = (PLAIN, STOCHASTIC, KAHAN)


class Sum(NamedTuple):
    """A sum in a format: the addend as the format has it, the sum, additions that changed nothing, and the last one that did."""

    format: str
    method: str
    addend: float
    sum: float
    lost: int
    last_change: int


def sum_of(found: Float, method: str, addend: float, count: int, start: float = 0.0, seed: int = 0) -> Sum:
    """`count` additions of `addend` to `start`, all of them kept in a format."""
    nearest = rounder(found)
    given = nearest(addend)
    last, lost, total = 0, 0, nearest(start)
    for place, after in enumerate(_totals(found, method, given, total, count, seed), 1):
        if after == total:
            lost += 1
        else:
            last = place
        total = after
    return Sum(found.name, method, given, total, lost, last)


def _totals(found: Float, method: str, addend: float, total: float, count: int, seed: int) -> Iterator[float]:
    rounded = rounder(found, STOCHASTIC if method == STOCHASTIC else "nearest-even", seed)
    compensation = 0.0
    for _ in range(count):
        if method == KAHAN:
            wanted = rounded(addend - compensation)
            after = rounded(total + wanted)
            compensation = rounded(rounded(after - total) - wanted)
        else:
            after = rounded(total + addend)
        yield after
        total = after
