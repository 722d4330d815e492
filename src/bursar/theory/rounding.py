"""Rounding of arrays to a number format, and of one double after the other.

Arrays are float64, in which every number of every format here is exact, and powers of two scale without rounding.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bursar.errors import UnknownNameError
from bursar.formats import ROUNDINGS, Codebook, Float, Format, Integer
from bursar.theory.neighbours import STOCHASTIC

Array: TypeAlias = NDArray[np.float64]
MODES = (*ROUNDINGS, STOCHASTIC)


def quantize(
    x: Array, found: Format, mode: str = "nearest-even", *, saturate: bool = False, draw: np.random.Generator | None = None
) -> Array:
    """Every element of an array as a number format keeps it. Beyond the largest number is infinity or NaN, or the largest number
    with `saturate`; integers and code books end at their ends. `draw` is for stochastic rounding."""
    if mode not in MODES:
        raise UnknownNameError("rounding", mode, MODES)
    if isinstance(found, Float):
        return _to_float(x, found, mode, saturate, draw)
    if isinstance(found, Integer):
        return np.clip(_whole(x, mode, draw), float(found.min), float(found.max))
    return _to_book(x, found, mode, draw)


def _to_float(x: Array, found: Float, mode: str, saturate: bool, draw: np.random.Generator | None) -> Array:
    lowest = 1 - found.bias if found.signed else -found.bias
    exponent = np.maximum(np.frexp(x)[1] - 1, lowest)
    step = np.ldexp(1.0, exponent - found.mantissa)
    held = _whole(x / step, mode, draw) * step
    if not found.signed:
        held = np.maximum(held, float(found.min_normal))
    largest = float(found.max)
    inwards = np.isfinite(x) & ((mode == "toward-zero") | ((x < 0) if mode == "up" else (x > 0) & (mode == "down")))
    beyond = np.where(inwards, largest, _overflow(found, saturate))
    ended = np.where(np.abs(held) > largest, np.copysign(beyond, x), held)
    return np.where(np.isnan(x), np.nan, ended)


def _overflow(found: Float, saturate: bool) -> float:
    """What a number becomes that is too large."""
    if saturate or found.special == "none":
        return float(found.max)
    return math.inf if found.special == "ieee" else math.nan


def _whole(x: Array, mode: str, draw: np.random.Generator | None) -> Array:
    """Whole numbers in place of an array's elements."""
    if mode == STOCHASTIC:
        found: Array = np.floor(x + (draw or np.random.default_rng(0)).random(x.shape))
        return found
    return _MODES[mode](x)


_MODES: Mapping[str, Callable[[Array], Array]] = {
    "nearest-even": np.rint,
    "nearest-away": lambda x: np.trunc(x) + np.copysign(np.abs(x - np.trunc(x)) >= 0.5, x),
    "toward-zero": np.trunc,
    "up": np.ceil,
    "down": np.floor,
}


def _to_book(x: Array, found: Codebook, mode: str, draw: np.random.Generator | None) -> Array:
    book = np.array(found.values)
    inside = np.clip(x, book[0], book[-1])
    above = np.clip(np.searchsorted(book, inside), 1, len(book) - 1)
    low, high = book[above - 1], book[above]
    share = (inside - low) / (high - low)
    if mode == STOCHASTIC:
        take = (draw or np.random.default_rng(0)).random(x.shape) < share
    elif mode in ("up", "down"):
        take = share > 0 if mode == "up" else share >= 1
    elif mode == "toward-zero":
        take = np.where(inside > 0, share >= 1, share > 0)
    else:
        take = share > 0.5
    picked: Array = np.where(take, high, low)
    return picked


def rounder(found: Float, mode: str = "nearest-even", seed: int = 0) -> Callable[[float], float]:
    """`quantize` of one number at a time, for sums whose every step is rounded: to the nearest, or stochastically."""
    lowest, mantissa, largest, over = 1 - found.bias, found.mantissa, float(found.max), _overflow(found, False)
    draw = random.Random(seed).random

    def rounded(x: float) -> float:
        if not math.isfinite(x):
            return math.copysign(over, x) if math.isinf(x) else x
        step = math.ldexp(1.0, max(math.frexp(x)[1] - 1, lowest) - mantissa)
        held = step * (round(x / step) if mode == "nearest-even" else math.floor(x / step + draw()))
        return held if abs(held) <= largest else math.copysign(over, x)

    if mode not in ("nearest-even", STOCHASTIC):
        raise UnknownNameError("rounding of a sum", mode, ("nearest-even", STOCHASTIC))
    return rounded
