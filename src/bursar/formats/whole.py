"""Whole numbers in place of exact ones, in every way of rounding, and what a number format refuses."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeAlias

from bursar.errors import PlanError, UnknownNameError

Value: TypeAlias = Fraction | float  # a float only for infinities and NaN
ROUNDINGS = ("nearest-even", "nearest-away", "toward-zero", "up", "down")


def check_code(name: str, codes: int, code: int) -> None:
    """That a code is one of so many."""
    if not 0 <= code < codes:
        raise PlanError(f"{code:#x} is no code of {name}", field="code", value=code, valid=f"0x0 to {codes - 1:#x}")


def finite(name: str, value: Value) -> Fraction:
    """A value that a format without infinities and NaN may hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PlanError(f"{value} has no code in {name}", field="value", value=value, valid="a finite number")
    return Fraction(value)


def one_sided(rounding: str, negative: bool) -> str:
    """The rounding of a magnitude."""
    if rounding not in ROUNDINGS:
        raise UnknownNameError("rounding", rounding, ROUNDINGS)
    if rounding in ("up", "down"):
        return "away" if (rounding == "up") is not negative else "toward-zero"
    return rounding


def to_whole(exact: Fraction, rounding: str) -> int:
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


def log2_floor(value: Fraction) -> int:
    power = value.numerator.bit_length() - value.denominator.bit_length()
    return power if Fraction(2) ** power <= value else power - 1
