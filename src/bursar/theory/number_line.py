"""Where the numbers of a format lie: between two powers of two they are evenly spaced, and twice as far apart in the next."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from bursar.formats import Float, Format

DENSE = 256  # largest over smallest positive number up to which a whole line can be seen
MOST = 64


class Binade(NamedTuple):
    """The numbers from `low`, a power of two (subnormal ones from zero), to below `high`: their distance and how many they are."""

    low: float
    high: float
    spacing: float
    values: int
    subnormal: bool


def spread(found: Format) -> tuple[float, float]:
    """A part of the line on which a format's numbers can be told apart: all of it where they are few, else −2 to 2."""
    if not isinstance(found, Float):
        return float(found.min), float(found.max)
    if found.min_subnormal is not None and found.max / found.min_subnormal <= DENSE:
        return -float(found.max), float(found.max)
    return (-2.0, 2.0) if found.signed else (0.0, 2.0)


def binades(found: Format, low: float, high: float) -> list[Binade]:
    """The binades of positive numbers that reach into a part of the line, the largest first, at most MOST of them."""
    if not isinstance(found, Float):
        return []
    reach = min(Fraction(max(abs(low), abs(high))), found.max)
    rows: list[Binade] = []
    for exponent in range((1 << found.exponent) - 1, 0 if found.signed else -1, -1):
        start = Fraction(2) ** (exponent - found.bias)
        spacing = start * found.eps
        last = min(2 * start - spacing, found.max)
        if start > reach or start == reach < found.max:
            continue
        rows.append(Binade(float(start), _double(last + spacing), float(spacing), int((last - start) / spacing) + 1, False))
        if len(rows) == MOST:
            return rows
    if found.min_subnormal is not None:
        rows.append(Binade(0.0, float(found.min_normal), float(found.min_subnormal), 1 << found.mantissa, True))
    return rows


def _double(value: Fraction) -> float:
    """A number as a double; the end of FP64's last binade is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
