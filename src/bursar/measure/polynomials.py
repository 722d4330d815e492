"""A cost read with the number of sequences and their length left open: a polynomial in both, where it is one.

Formulas never ask what a number is, so they take a `Polynomial` as they take an int. Where one compares or rounds (a window, a
chunk) the reading raises TypeError: there the cost is no polynomial, and has to be asked for at every length.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

Powers = tuple[int, int]  # of the number of sequences, of their length


class Polynomial:
    """Coefficients by powers of (sequences, length): exact, added, multiplied, and divided by numbers."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Powers, Any]) -> None:
        self.terms = {powers: value for powers, value in terms.items() if value}

    def __add__(self, other: Any) -> Polynomial:
        found = Counter(self.terms)
        for powers, value in _terms(other).items():
            found[powers] = found[powers] + value
        return Polynomial(found)

    def __mul__(self, other: Any) -> Polynomial:
        found: Counter[Powers] = Counter()
        for (a, b), value in self.terms.items():
            for (c, d), factor in _terms(other).items():
                found[a + c, b + d] += value * factor
        return Polynomial(found)

    def __sub__(self, other: Any) -> Polynomial:
        return self + polynomial(other) * -1

    def __rsub__(self, other: Any) -> Polynomial:
        return polynomial(other) + self * -1

    def __neg__(self) -> Polynomial:
        return self * -1

    def __pow__(self, times: int) -> Polynomial:
        found = polynomial(1)
        for _ in range(times):
            found = found * self
        return found

    def __truediv__(self, other: Any) -> Polynomial:
        return self * (1 / Fraction(other))

    __radd__, __rmul__ = __add__, __mul__


def _terms(value: Any) -> dict[Powers, Any]:
    if isinstance(value, Polynomial):
        return value.terms
    if isinstance(value, (int, Fraction)):
        return {(0, 0): value}
    raise TypeError(f"{type(value).__name__} in a polynomial")


SEQUENCES, LENGTH = Polynomial({(1, 0): 1}), Polynomial({(0, 1): 1})


def polynomial(value: Any) -> Polynomial:
    """A number or a polynomial as a polynomial."""
    return Polynomial(_terms(value))
