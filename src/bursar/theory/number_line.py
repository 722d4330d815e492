"""Where the numbers of a format lie: between two powers of two they are evenly spaced, and twice as far apart in the next."""

from __future__ import annotations

from typing import NamedTuple

from bursar.formats import Float, Format

DENSE = 256  # largest over smallest positive number up to which a whole line can be seen
MOST = 64


class Binade(NamedTuple):
    """The numbers from `low` to below `high`, a power of two (or subnormal numbers, from zero), their distance and how many they are."""

    low: float
    high: float
    spacing: float
    values: int
    subnormal: bool


def spread(found: Format) -> tuple[float, float]:
    """A part of the line on which a format's numbers can be told apart: all of it where they are few, else −2 to 2."""
    least = float(found.min) if not isinstance(found, Float) else -float(found.max)
    if not isinstance(found, Float):
        return least, float(found.max)
    smallest = found.min_subnormal if found.min_subnormal is not None else found.min_normal
    if found.signed and found.max / smallest <= DENSE:
        return least, float(found.max)
    return (-2.0, 2.0) if found.signed else (0.0, 2.0)


def binades(found: Format, low: float, high: float) -> list[Binade]:
    """The binades of positive numbers that reach into a part of the line, the largest first, at most MOST of them."""
    if not isinstance(found, Float):
        return []
    reach = min(max(abs(low), abs(high)), float(found.max))
    rows: list[Binade] = []
    for exponent in range((1 << found.exponent) - 1, 0 if found.signed else -1, -1):
        start = 2.0 ** (exponent - found.bias)
        if start > reach:
            continue
        last = min(2 * start * (1 - float(found.eps) / 2), float(found.max))
        spacing = start * float(found.eps)
        rows.append(Binade(start, last + spacing, spacing, round((last - start) / spacing) + 1, False))
        if len(rows) == MOST:
            return rows
    if found.min_subnormal is not None:
        rows.append(Binade(0.0, float(found.min_normal), float(found.min_subnormal), 1 << found.mantissa, True))
    return rows
