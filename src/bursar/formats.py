"""Number formats: what the bits of one number mean, and what a value becomes in them. (`precision.py` says how tensors of them are
stored, scales included.)

A floating-point code is a sign, an exponent field e and a mantissa field m. With bias B and M mantissa bits it stands for

    e > 0:  ± 2^(e − B) · (1 + m / 2^M)        e = 0:  ± 2^(1 − B) · m / 2^M   (subnormal, or zero)

What the largest exponent means differs: IEEE 754 keeps it for infinity and NaN, OCP's E4M3 keeps only its last code for NaN, the
`fnuz` variants keep the code of −0, and the formats of six and four bits keep none. Everything here is exact: values are Fractions.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from bursar.errors import PlanError, UnknownNameError

_WIDTHS = re.compile(r"ieee-e(\d{1,2})m(\d{1,2})")
Value: TypeAlias = Fraction | float  # a float only for infinities and NaN
ROUNDINGS = ("nearest-even", "nearest-away", "toward-zero", "up", "down")


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
        _check_code(self, code)
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
        towards = _one_sided(rounding, negative)
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
        power = max(_log2_floor(magnitude), _log2_floor(self.min_normal))
        step = Fraction(2) ** power * self.eps
        steps = _rounded(magnitude / step, rounding)
        whole = 1 << self.mantissa  # steps of a number that starts its binade
        base = (power + self.bias) << self.mantissa
        return base + steps - whole if self.signed or base + steps >= whole else 0

    def rounded(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = False) -> Value:
        """What is left of a value once it is stored."""
        return self.decode(self.encode(value, rounding, saturate=saturate))


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
        _check_code(self, code)
        return Fraction(code - (1 << self.bits) if code >> (self.bits - 1) else code)

    def encode(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> int:
        """The code of a value; one out of range is that of the nearest end, whether asked to saturate or not."""
        exact = _finite(self, value)
        steps = _rounded(abs(exact), _one_sided(rounding, exact < 0))
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
        _check_code(self, code)
        return Fraction(self.values[code])

    def encode(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> int:
        """The code of a value; one out of range is that of the nearest end, whether asked to saturate or not."""
        exact = min(max(_finite(self, value), self.min), self.max)
        above = bisect_left(self.values, exact)
        if self.values[above] == exact:
            return above
        low, high = Fraction(self.values[above - 1]), Fraction(self.values[above])
        towards = _one_sided(rounding, exact < 0)
        if towards in ("toward-zero", "away"):
            return above if (abs(high) > abs(low)) is (towards == "away") else above - 1
        return above if high - exact < exact - low else above - 1

    def rounded(self, value: Value, rounding: str = "nearest-even", *, saturate: bool = True) -> Value:
        """What is left of a value once it is stored."""
        return self.decode(self.encode(value, rounding))


Format: TypeAlias = Float | Integer | Codebook


def _check_code(found: Format, code: int) -> None:
    if not 0 <= code < found.codes:
        raise PlanError(f"{code:#x} is no code of {found.name}", field="code", value=code, valid=f"0x0 to {found.codes - 1:#x}")


def _finite(found: Format, value: Value) -> Fraction:
    """A value that a format without infinities and NaN may hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PlanError(f"{value} has no code in {found.name}", field="value", value=value, valid="a finite number")
    return Fraction(value)


def _one_sided(rounding: str, negative: bool) -> str:
    """The rounding of a magnitude."""
    if rounding not in ROUNDINGS:
        raise UnknownNameError("rounding", rounding, ROUNDINGS)
    if rounding in ("up", "down"):
        return "away" if (rounding == "up") is not negative else "toward-zero"
    return rounding


def _rounded(exact: Fraction, rounding: str) -> int:
    """A positive number as a whole one."""
    whole, rest = divmod(exact, 1)
    half = Fraction(1, 2)
    up = {
        "nearest-even": rest > half or (rest == half and whole % 2 == 1),
        "nearest-away": rest >= half,
        "toward-zero": False,
        "away": rest > 0,
    }[rounding]
    return int(whole) + up


def _log2_floor(value: Fraction) -> int:
    power = value.numerator.bit_length() - value.denominator.bit_length()
    return power if Fraction(2) ** power <= value else power - 1


def _ieee(name: str, exponent: int, mantissa: int, source: str, special: str = "ieee", bias: int | None = None) -> Float:
    """A format with the usual bias, 2^(k−1) − 1."""
    return Float(name, exponent, mantissa, (1 << (exponent - 1)) - 1 if bias is None else bias, special, source)


# quantiles of the normal distribution, as bitsandbytes stores them (arXiv:2305.14314, appendix E)
_NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip

FORMATS: Mapping[str, Format] = MappingProxyType({
    found.name: found
    for found in (
        _ieee("fp64", 11, 52, "ieee-754"),
        _ieee("fp32", 8, 23, "ieee-754"),
        _ieee("tf32", 8, 10, "tf32"),
        _ieee("fp16", 5, 10, "ieee-754"),
        _ieee("bf16", 8, 7, "bf16-training"),
        _ieee("fp8-e4m3", 4, 3, "fp8-formats", "nan"),
        _ieee("fp8-e5m2", 5, 2, "fp8-formats"),
        _ieee("fp8-e4m3fnuz", 4, 3, "fp8-fnuz", "fnuz", bias=8),
        _ieee("fp8-e5m2fnuz", 5, 2, "fp8-fnuz", "fnuz", bias=16),
        _ieee("fp6-e2m3", 2, 3, "ocp-mx", "none"),
        _ieee("fp6-e3m2", 3, 2, "ocp-mx", "none"),
        _ieee("fp4-e2m1", 2, 1, "ocp-mx", "none"),
        Float("e8m0", 8, 0, 127, "nan", "ocp-mx", signed=False),
        Integer("int8", 8, "twos-complement"),
        Integer("int4", 4, "twos-complement"),
        Codebook("nf4", _NF4, "qlora"),
    )
})  # fmt: skip


# names of the same formats in NumPy, PyTorch and ml_dtypes, and in papers
ALIASES: Mapping[str, str] = MappingProxyType({
    "float64": "fp64", "double": "fp64", "float32": "fp32", "float": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16",
    "e4m3": "fp8-e4m3", "float8-e4m3fn": "fp8-e4m3", "e5m2": "fp8-e5m2", "float8-e5m2": "fp8-e5m2",
    "e4m3fnuz": "fp8-e4m3fnuz", "float8-e4m3fnuz": "fp8-e4m3fnuz", "e5m2fnuz": "fp8-e5m2fnuz", "float8-e5m2fnuz": "fp8-e5m2fnuz",
    "fp8-e4m3-fnuz": "fp8-e4m3fnuz", "fp8-e5m2-fnuz": "fp8-e5m2fnuz",
    "e2m3": "fp6-e2m3", "float6-e2m3fn": "fp6-e2m3", "e3m2": "fp6-e3m2", "float6-e3m2fn": "fp6-e3m2",
    "e2m1": "fp4-e2m1", "fp4": "fp4-e2m1", "float4-e2m1fn": "fp4-e2m1", "ue8m0": "e8m0", "float8-e8m0fnu": "e8m0",
})  # fmt: skip


def named(name: str) -> Format:
    """A number format by its name, one that libraries have for it, or as ieee-e5m10: IEEE 754's rules for any widths."""
    plain = name.lower().replace("_", "-")
    found = ALIASES.get(plain, plain)
    if widths := _WIDTHS.fullmatch(found):
        exponent, mantissa = (int(width) for width in widths.groups())
        if 2 <= exponent <= 11 and 1 <= mantissa <= 52:
            return _ieee(found, exponent, mantissa, "ieee-754")
        raise PlanError(f"format {found}", field="format", value=name, valid="ieee-e2m1 to ieee-e11m52")
    if found not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[found]
