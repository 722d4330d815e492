"""What a number format can say, and one number in it: its bits by name, the value that they mean, and what rounding cost.

A value is read exactly from its decimal text, so that 0.1 is one tenth and not the nearest double; `0x…` and `0b…` are codes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from bursar.errors import PlanError, shown
from bursar.formats import Codebook, Float, Format, Integer, Value
from bursar.theory.neighbours import encode, neighbours

_DECIMAL = re.compile(r"[-+]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][-+]?\d{1,3})?")
_RATIO = re.compile(r"[-+]?\d{1,400}/0*[1-9]\d{0,399}")
_CODE = re.compile(r"0[xX][0-9a-fA-F_]{1,20}|0[bB][01_]{1,80}")
_SPECIAL = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_VALID = "a number such as 0.1, -1.5, 1e-8 or 1/3, inf, nan, or a code such as 0x2E66 or 0b0_01111_0000000001"


class Field(NamedTuple):
    """A field of a code: its name, its bits as text, the highest first, and the number that they are."""

    name: str
    bits: str
    value: int


class Limits(NamedTuple):
    """The facts of a format. `bias` and the sizes of normal and subnormal numbers are None where it has none; `finite` counts
    distinct finite values, `infinities` and `nans` codes."""

    name: str
    kind: str
    bits: int
    sign: int
    exponent: int | None
    mantissa: int | None
    bias: int | None
    max: Fraction
    min: Fraction
    min_normal: Fraction | None
    min_subnormal: Fraction | None
    eps: Fraction | None
    finite: int
    infinities: int
    nans: int
    source: str


class Stored(NamedTuple):
    """A number in a format: the code, its fields, the value of the code, that value less the number, the formula of the value with
    the fields put in, and the neighbours between which it was rounded."""

    code: int
    fields: tuple[Field, ...]
    decoded: Value
    error: Fraction | None
    formula: str
    below: Value
    above: Value
    chance: Fraction


def limits(found: Format) -> Limits:
    """The facts of a format."""
    if isinstance(found, Float):
        infinities = 2 if found.special == "ieee" else 0
        zeros = 2 if found.signed and found.special != "fnuz" else 1
        numbers = found.finite + (zeros - 1 if found.signed else 0)
        return Limits(
            found.name, "float", found.bits, int(found.signed), found.exponent, found.mantissa, found.bias, found.max,
            -found.max if found.signed else found.min_normal, found.min_normal, found.min_subnormal, found.eps, found.finite,
            infinities, found.codes - numbers - infinities, found.source,
        )  # fmt: skip
    kind, sign = ("integer", 1) if isinstance(found, Integer) else ("codebook", 0)
    return Limits(
        found.name, kind, found.bits, sign, exponent=None, mantissa=None, bias=None, max=found.max, min=found.min, min_normal=None,
        min_subnormal=None, eps=None, finite=found.codes, infinities=0, nans=0, source=found.source,
    )  # fmt: skip


def layout(found: Format) -> tuple[tuple[str, int], ...]:
    """The fields of a code and their widths, the highest first."""
    if isinstance(found, Float):
        widths = (("sign", int(found.signed)), ("exponent", found.exponent), ("mantissa", found.mantissa))
        return tuple((name, width) for name, width in widths if width)
    return (("sign", 1), ("value", found.bits - 1)) if isinstance(found, Integer) else (("index", found.bits),)


def fields(found: Format, code: int) -> tuple[Field, ...]:
    """The bits of a code by name."""
    text, parts, place = f"{code:0{found.bits}b}", [], 0
    for name, width in layout(found):
        bits = text[place : place + width]
        parts.append(Field(name, bits, int(bits, 2)))
        place += width
    return tuple(parts)


def read(text: str) -> tuple[Value | None, int | None]:
    """A value, or a code, from its text."""
    plain = text.strip().lower()
    if plain in _SPECIAL:
        return _SPECIAL[plain], None
    if _CODE.fullmatch(plain):
        return None, int(plain, 0) if not plain.endswith("_") and "__" not in plain else _refused(text)
    if plain.startswith("-") and _DECIMAL.fullmatch(plain) and Fraction(plain) == 0:
        return -0.0, None
    if _DECIMAL.fullmatch(plain) or _RATIO.fullmatch(plain):
        return Fraction(plain), None
    return _refused(text), None


def _refused(text: str) -> int:
    raise PlanError(f"value={shown(text)}", field="value", value=text, valid=_VALID)


def stored(found: Format, text: str, mode: str, *, saturate: bool, seed: int = 0) -> Stored:
    """What becomes of a value, or what a code means."""
    value, code = read(text)
    if value is None:
        assert code is not None
        value = found.decode(code)
        error: Fraction | None = Fraction(0)
    else:
        code = encode(found, value, mode, saturate=saturate, seed=seed)
        error = None
    decoded = found.decode(code)
    if isinstance(decoded, float) or (isinstance(value, float) and not math.isfinite(value)):
        return Stored(code, fields(found, code), decoded, None, reading(found, code), decoded, decoded, Fraction(0))
    below, above, chance = neighbours(found, value)
    error = decoded - Fraction(value) if error is None else error
    return Stored(code, fields(found, code), decoded, error, reading(found, code), below, above, chance)


def reading(found: Format, code: int) -> str:
    """The value of a code as the formula of its fields."""
    if isinstance(found, Integer):
        sign, value = (field.value for field in fields(found, code))
        return f"−{sign}·2^{found.bits - 1} + {value}"
    if isinstance(found, Codebook):
        return f"values[{code}]"
    sign, exponent, mantissa = found.fields(code)
    if isinstance(found.decode(code), float):
        return str(found.decode(code))
    lead = f"(−1)^{sign} · " if found.signed else ""
    if exponent == 0 and found.signed:
        return f"{lead}2^(1 − {found.bias}) · {mantissa}/{1 << found.mantissa}"
    tail = f" · (1 + {mantissa}/{1 << found.mantissa})" if found.mantissa else ""
    return f"{lead}2^({exponent} − {found.bias}){tail}"


def values(found: Format) -> Iterator[tuple[int, Fraction]]:
    """Every code with a finite value, and that value, ascending; one zero alone."""
    pairs = [(code, value) for code in range(found.codes) if not isinstance(value := found.decode(code), float)]
    seen: set[Fraction] = set()
    for code, value in sorted(pairs, key=lambda pair: (pair[1], pair[0])):
        if value not in seen:
            seen.add(value)
            yield code, value
