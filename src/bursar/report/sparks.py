"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 24
LEAST = 1e-30  # below which a logarithm shows nothing more


def spark(values: Sequence[float], *, log: bool = False, beside: Sequence[float] = ()) -> str:
    """Values at even distances as blocks between the lowest and the highest; with `beside` on a scale that holds those values too,
    so that several curves can be compared."""
    last, count = len(values) - 1, min(COLUMNS, len(values))
    picked = [values[round(last * place / max(1, count - 1))] for place in range(count)]
    low, high = (_height(end([*picked, *beside]), log) for end in (min, max))
    shares = [(_height(value, log) - low) / (high - low) if high > low else 0.0 for value in picked]
    return "".join([BLOCKS[round(7 * share)] for share in shares])


def _height(value: float, log: bool) -> float:
    return math.log(max(value, LEAST)) if log else value
