"""Rounding of one exact number: the numbers of a format that it lies between, and which of them it becomes.

Stochastic rounding takes the upper neighbour with the probability (x − lower)/(upper − lower), so that its mean is x itself.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import NamedTuple

from bursar.formats import Format, Value

STOCHASTIC = "stochastic"


class Neighbours(NamedTuple):
    """The numbers of a format next to a value, the same twice if it is one of them, and the chance of the upper one when rounding
    is stochastic."""

    below: Value
    above: Value
    chance: Fraction


def neighbours(found: Format, value: Value) -> Neighbours:
    """The numbers of a format on both sides of a value; beyond its ends they are what rounding outwards gives there."""
    below, above = found.rounded(value, "down"), found.rounded(value, "up")
    if isinstance(below, float) or isinstance(above, float) or (isinstance(value, float) and not math.isfinite(value)):
        return Neighbours(below, above, Fraction(0))
    exact = Fraction(value)
    inside = below < exact < above
    return Neighbours(below, above, (exact - below) / (above - below) if inside else Fraction(0))


def encode(found: Format, value: Value, mode: str, *, saturate: bool, seed: int = 0) -> int:
    """The code of a value under any mode; `seed` is for the draw of stochastic rounding."""
    if mode != STOCHASTIC:
        return found.encode(value, mode, saturate=saturate)
    up = random.Random(seed).random() < neighbours(found, value).chance
    return found.encode(value, "up" if up else "down", saturate=saturate)
