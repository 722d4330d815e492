"""Comparing a computed value with a claimed text, at the digits that the text shows.

Every number in a claimed text is a place for one value: in `20 vs 24` there are two, in `0x2E66 = 0.0999755859375` two, of which
the first is hexadecimal. A value is rounded to the digits of its place and written in the same way; a number after `<` is a bound.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, Overflow, localcontext
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from bursar.errors import PlanError

Value: TypeAlias = bool | int | float | str | Fraction
_NUMBER = re.compile(
    r"0x[0-9A-Fa-f]+"
    r"|(?<!\w)(?:(?<![)\]])[-+])?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?"
)
_EXPONENT = re.compile(r"(e[-+])(\d)$")  # two digits, as in 1e+06
_MANY = Context(prec=1200, traps=[Overflow])  # enough digits for any double, and for whole numbers of the register's size


class Compared(NamedTuple):
    """The claimed text with the computed values in it, and whether they are the same."""

    text: str
    same: bool


def places(claimed: str) -> list[str]:
    """The numbers of a text, as written."""
    return _NUMBER.findall(claimed)


def compared(claimed: str, values: Sequence[object]) -> Compared:
    """A claimed text against values, one for each number in it; a text without numbers against one word or truth value.

    Raises PlanError where there are more or fewer values than numbers, or a value is none.
    """
    found, written = list(_flat(values)), places(claimed)
    if len(found) == 1 and isinstance(found[0], (bool, str)):
        word = str(found[0]).lower() if isinstance(found[0], bool) else found[0]
        if not (written and places(word)):
            return Compared(word, word.casefold() == claimed.casefold())
        found = list(places(word))  # a text whose numbers are compared
    if len(written) != len(found):
        raise PlanError(f"{len(found)} values for the {len(written)} numbers of {claimed!r}", field="value", valid=len(written))
    bounds = [claimed[: place.start()].rstrip().endswith(("<", "≤")) for place in _NUMBER.finditer(claimed)]
    rows = [_at(place, value, bound) for place, value, bound in zip(written, found, bounds, strict=True)]
    texts = iter([row.text for row in rows])
    return Compared(_NUMBER.sub(lambda _: next(texts), claimed), all(row.same for row in rows))


def _at(place: str, value: Value, bound: bool) -> Compared:
    """A value in the place of a number."""
    exact = _exact(value)
    if exact is None:
        return Compared(str(value), False)
    if bound:
        limit = Fraction(Decimal(place.replace(",", "")))
        return Compared(place, True) if exact <= limit else Compared(f"{float(exact):.2g}", False)
    claimed = written(_exact(place) or Fraction(0), place)
    texts = [written(exact, place, rounding) for rounding in (ROUND_HALF_EVEN, ROUND_HALF_UP)]  # half-way may be written either way
    return Compared(claimed if claimed in texts else texts[0], claimed in texts)


def written(value: Fraction, place: str, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number with the digits and in the style of a place."""
    with localcontext(rounding=rounding):
        return _written(value, place)


def _written(value: Fraction, place: str) -> str:
    if place.startswith("0x"):
        return f"0x{int(value):0{len(place) - 2}X}" if value.denominator == 1 and value >= 0 else str(float(value))
    mantissa, _, exponent = place.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    decimal = _MANY.divide(Decimal(value.numerator), Decimal(value.denominator))
    if exponent:
        return _EXPONENT.sub(r"\g<1>0\2", f"{decimal:.{digits}e}")
    return f"{decimal:,.{digits}f}" if "," in place else f"{decimal:.{digits}f}"


def _exact(value: Value) -> Fraction | None:
    """A value as an exact fraction; None for what is no finite number."""
    if isinstance(value, str):
        text = value.replace(",", "")
        try:
            return Fraction(int(text, 16)) if text.startswith("0x") else Fraction(Decimal(text))
        except (ArithmeticError, ValueError):
            return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if isinstance(value, bool) else Fraction(value)


def _flat(values: Sequence[object]) -> Iterator[Value]:
    """Numbers, words and truth values of nested lists, in order."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        elif isinstance(value, (bool, int, float, str, Fraction)):
            yield value
        else:
            raise PlanError(f"an answer is {type(value).__name__}", field="read", valid="a number, a word or a list of them")
