"""Integers and code books, whose values stand beside a scale."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

from bursar.formats.whole import Value, check_code, finite, one_sided, to_whole


@dataclass(frozen=True)
class Integer:
    """Two's complement of some bits, the value of a code times a scale that is kept beside it."""

    name: str
    bits: int
    source: str

    @property
    def codes(self) -> int:
        return 1 << self.bits

    @property
    def max(self) -> Fraction:
        return Fraction((1 << (self.bits - 1)) - 1)

    @property
    def min(self) -> Fraction:
        return Fraction(-(1 << (self.bits - 1)))

    def decode(self, code: int) -> Value:
        """The value of a code."""
        check_code(self.name, self.codes, code)
        return Fraction(code - (1 << self.bits) if code >> (self.bits - 1) else code)

    def encode(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> int:
        """The code of a value; one out of range is that of the nearest end, whether asked to saturate or not."""
        exact = finite(self.name, value)
        steps = to_whole(abs(exact), one_sided(rounding, exact < 0))
        held = min(max(-steps if exact < 0 else steps, int(self.min)), int(self.max))
        return held & ((1 << self.bits) - 1)

    def rounded(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> Value:
        """What is left of a value once it is stored."""
        return self.decode(self.encode(value, rounding))


@dataclass(frozen=True)
class Codebook:
    """A list of values, ascending; a code is the place in it. Ties go to the lower value, as in bitsandbytes."""

    name: str
    values: tuple[float, ...]
    source: str

    @property
    def bits(self) -> int:
        return (len(self.values) - 1).bit_length()

    @property
    def max(self) -> Fraction:
        return Fraction(self.values[-1])

    @property
    def codes(self) -> int:
        return len(self.values)

    @property
    def min(self) -> Fraction:
        return Fraction(self.values[0])

    def decode(self, code: int) -> Value:
        """The value of a code."""
        check_code(self.name, self.codes, code)
        return Fraction(self.values[code])

    def encode(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> int:
        """The code of a value; one out of range is that of the nearest end, whether asked to saturate or not."""
        exact = min(max(finite(self.name, value), self.min), self.max)
        above = bisect_left(self.values, exact)
        if self.values[above] == exact:
            return above
        low, high = Fraction(self.values[above - 1]), Fraction(self.values[above])
        towards = one_sided(rounding, exact < 0)
        if towards in ("toward-zero", "away"):
            return above if (abs(high) > abs(low)) is (towards == "away") else above - 1
        return above if high - exact < exact - low else above - 1

    def rounded(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> Value:
        """What is left of a value once it is stored."""
        return self.decode(self.encode(value, rounding))
