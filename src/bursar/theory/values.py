"""Matrices of given numbers, exact where they are whole, and derivatives by differences to hold gradients against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
STEP = 2.0**-17  # about the cube root of float64's eps, where cutting the series and rounding err alike


def matrix(rows: tuple[tuple[float, ...], ...]) -> Array:
    """Rows as a matrix: of Python's ints where all entries are whole, so that products stay exact, else of float64."""
    whole = all(isinstance(entry, int) for row in rows for entry in row)
    return np.array(rows, dtype=object if whole else np.float64)


def rows(array: Array) -> list[Any]:
    """An array as nested lists of Python's numbers."""
    found: list[Any] = array.tolist()
    return found


def differences(loss: Callable[[Mapping[str, Array]], float], at: Mapping[str, Array], name: str) -> Array:
    """dL/d(at[name]) by central differences, entry by entry: (L(x + ε) − L(x − ε)) / 2ε in float64.

    The step grows with the entry, so that it is not lost beside it."""
    point = {key: np.asarray(value, dtype=np.float64) for key, value in at.items()}
    found = np.empty_like(point[name])
    for place in np.ndindex(found.shape):
        step = STEP * 2.0 ** math.ceil(math.log2(max(1.0, abs(float(point[name][place])))))
        sides = []
        for sign in (1, -1):
            moved = point[name].copy()
            moved[place] += sign * step
            sides.append(float(loss({**point, name: moved})))
        found[place] = (sides[0] - sides[1]) / (2 * step)
    return found


def largest_difference(
    gradients: Mapping[str, Array], loss: Callable[[Mapping[str, Array]], float], at: Mapping[str, Array]
) -> float:
    """The largest difference of any entry of any gradient from central differences."""
    gaps = [np.abs(np.asarray(gradient, dtype=np.float64) - differences(loss, at, name)) for name, gradient in gradients.items()]
    return float(max(np.max(gap) for gap in gaps))
