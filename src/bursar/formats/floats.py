"""Floating-point formats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from bursar.errors import PlanError
from bursar.formats.whole import Value, check_code, log2_floor, one_sided, to_whole


class Fields(NamedTuple):
    """The bits of a code by name."""

    sign: int
    exponent: int
    mantissa: int


@dataclass(frozen=True)
class Float:
    """A floating-point format. `special` says which codes are no numbers: ieee, nan (the last code of each sign), fnuz (the code
    of −0 alone) or none. `signed` is false for pure scales, which have no zero either."""

    name: str
    exponent: int
    mantissa: int
    bias: int
    special: str
    source: str
    signed: bool = True

    @property
    def bits(self) -> int:
        return self.signed + self.exponent + self.mantissa

    @property
    def codes(self) -> int:
        return 1 << self.bits

    @property
    def eps(self) -> Fraction:
        """The distance from 1 to the next number."""
        return Fraction(1, 1 << self.mantissa)

    @property
    def min_normal(self) -> Fraction:
        return Fraction(2) ** ((1 if self._has_subnormals else 0) - self.bias)

    @property
    def min_subnormal(self) -> Fraction | None:
        return self.min_normal * self.eps if self._has_subnormals else None

    @property
    def max(self) -> Fraction:
        """The largest finite number."""
        return self._magnitude(self._last)

    @property
    def finite(self) -> int:
        """Distinct finite values: both zeros are one."""
        return 2 * self._last + 1 if self.signed else self._last + 1

    @property
    def _has_subnormals(self) -> bool:
        return self.signed

    @property
    def _last(self) -> int:
        """The code of the largest finite magnitude."""
        largest = (1 << (self.exponent + self.mantissa)) - 1
        return {"ieee": largest - (1 << self.mantissa), "nan": largest - 1, "fnuz": largest, "none": largest}[self.special]

    def fields(self, code: int) -> Fields:
        """The bits of a code by name."""
        magnitude = code & ((1 << (self.exponent + self.mantissa)) - 1)
        return Fields(
            code >> (self.bits - 1) if self.signed else 0, magnitude >> self.mantissa, magnitude & ((1 << self.mantissa) - 1)
        )

    def decode(self, code: int) -> Value:
        """The value of a code."""
        check_code(self.name, self.codes, code)
        sign, exponent, mantissa = self.fields(code)
        magnitude = (exponent << self.mantissa) | mantissa
        if self.special == "fnuz" and sign and not magnitude:
            return math.nan
        if magnitude > self._last:
            return math.copysign(math.inf, -sign) if self.special == "ieee" and not mantissa else math.nan
        return -self._magnitude(magnitude) if sign else self._magnitude(magnitude)

    def _magnitude(self, code: int) -> Fraction:
        exponent, mantissa = code >> self.mantissa, code & ((1 << self.mantissa) - 1)
        if exponent == 0 and self._has_subnormals:
            return self.min_normal * mantissa * self.eps
        return Fraction(2) ** (exponent - self.bias) * (1 + mantissa * self.eps)

    def encode(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = False) -> int:
        """The code of a value. One beyond the largest number becomes infinity or NaN, or the largest number with `saturate` and
        where the rounding is inwards."""
        if isinstance(value, float) and not math.isfinite(value):
            return self._beyond(math.copysign(1, value) < 0, nan=math.isnan(value), saturate=saturate)
        exact = Fraction(value)
        negative = exact < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
        if negative and not self.signed:
            raise PlanError(
                f"{value} is below zero, and {self.name} has no sign", field="value", value=value, valid="a positive number"
            )
        towards = one_sided(rounding, negative)
        code = self._nearest(abs(exact), towards)
        if code > self._last:
            return self._beyond(negative, nan=False, saturate=saturate or towards == "toward-zero")
        if self.special == "fnuz" and code == 0:
            return 0
        return (negative << (self.bits - 1)) | code

    def _beyond(self, negative: bool, *, nan: bool, saturate: bool) -> int:
        """The code of what is no finite number here."""
        if nan and self.special == "none":
            raise PlanError(f"{self.name} has no NaN", field="value", value=math.nan, valid="a number")
        sign = negative << (self.bits - 1)
        if (saturate and not nan) or self.special == "none":
            return sign | self._last
        if self.special == "fnuz":
            return 1 << (self.bits - 1)
        if self.special == "nan":
            return (sign if self.signed else 0) | (self._last + 1)
        return (sign | (self._last + 1)) if not nan else self._last + 1 + (1 << (self.mantissa - 1))

    def _nearest(self, magnitude: Fraction, rounding: str) -> int:
        """The code of a magnitude, counted on past the largest number where it is larger."""
        if magnitude == 0:
            return 0
        power = max(log2_floor(magnitude), log2_floor(self.min_normal))
        step = Fraction(2) ** power * self.eps
        steps = to_whole(magnitude / step, rounding)
        first = 1 << self.mantissa  # steps of a number that starts its binade
        base = (power + self.bias) << self.mantissa
        return base + steps - first if self.signed or base + steps >= first else 0

    def rounded(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = False) -> Value:
        """What is left of a value once it is stored."""
        return self.decode(self.encode(value, rounding, saturate=saturate))
