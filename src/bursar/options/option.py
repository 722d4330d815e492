"""An option, and how numbers are read from its text.

A value that does not fit is refused with what would be valid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from bursar.errors import PlanError, shown

MAX_COUNT = 10**18
_NUMBER = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?(?:[eE]\+?\d{1,2})?)\s*([kKmMbBgGtT]?)")
_POWERS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}


def count(text: str | int, *, low: int = 1, high: int = MAX_COUNT, kilo: int = 1000) -> int:
    """A whole number with a suffix: 15T, 70B, 4M are powers of ten; `kilo` is 1024 for lengths (8k = 8192)."""
    if isinstance(text, int) and not isinstance(text, bool):
        value: float | int = text
    else:
        match = _NUMBER.fullmatch(str(text).strip())
        if not match:
            raise ValueError(f"a whole number from {low:,} to {high:,}, with k, M, B or T if you like")
        digits, suffix = match[1].replace("_", ""), match[2].lower()
        factor = kilo if suffix == "k" else _POWERS[suffix]
        value = int(digits) * factor if digits.isdigit() else float(digits) * factor
    if value != int(value) or not low <= value <= high:
        raise ValueError(f"a whole number from {low:,} to {high:,}")
    return int(value)


def length(text: str | int) -> int:
    return count(text, high=10**8, kilo=1024)


def past(text: str | int) -> int:
    return count(text, low=0, high=10**8, kilo=1024)


def degree(text: str | int) -> int:
    return count(text, high=10**6)


def rank(text: str | int) -> int:
    return count(text, low=0, high=10**6)


def money(text: str | float) -> float:
    return _real(text, "a price of zero or more", lambda value: 0 <= value < 1e6)


def positive(text: str | float) -> float:
    return _real(text, "a number above zero, such as 1e24", lambda value: 0 < value < 1e60)


def probability(text: str | float) -> float:
    return _real(text, "a number from 0 to below 1", lambda value: 0 <= value < 1)


def share(text: str | float) -> float:
    return _real(text, "a number above 0 and up to 1", lambda value: 0 < value <= 1)


def changes(text: str | tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Keys of a config.json with other values: vocab_size=51200,tie_word_embeddings=false. Values are JSON; else they are text."""
    if not isinstance(text, str):
        return text
    found = tuple([_change(part) for part in text.split(",")])
    if len({key for key, _ in found}) < len(found):
        raise ValueError("every key once")
    return found


def _change(part: str) -> tuple[str, Any]:
    key, equals, value = part.strip().partition("=")
    if not (key.isidentifier() and equals and value and len(value) <= 60):
        raise ValueError("keys of a config.json with values, such as vocab_size=51200")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def layers(text: str | tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """Counts of layers: 10,11,11,8."""
    parts = text.split(",") if isinstance(text, str) else text
    try:
        return tuple([count(part if isinstance(part, int) else part.strip(), low=0, high=10**6) for part in parts])
    except (AttributeError, TypeError, ValueError):
        raise ValueError("whole numbers of layers, such as 10,11,11,8") from None


def _real(text: str | float, valid: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(valid) from None
    if not fits(value):
        raise ValueError(valid)
    return value


class Option(NamedTuple):
    """An option: its name, how its text is read (None for a switch), its default, its valid words, and its meaning."""

    name: str
    read: Callable[[str], Any] | None
    default: Any
    valid: tuple[str, ...]
    meaning: str
    meaning_zh: str

    def value(self, given: Any) -> Any:
        """The value of what was given, refused if it does not fit."""
        if given is None:
            return self.default
        if self.valid:
            word = str(given).split(",")[0] if self.name == "kernels" else str(given)
            if word not in self.valid:
                raise PlanError(f"{self.name}={_as_given(given)}", field=self.name, value=given, valid=self.valid)
            return str(given)
        if self.read is None:
            return bool(given)
        try:
            return self.read(given)
        except ValueError as error:
            raise PlanError(f"{self.name}={_as_given(given)}", field=self.name, value=given, valid=str(error)) from None


def _as_given(given: Any) -> str:
    return shown(given) if len(str(given)) > 40 or not str(given).isprintable() else str(given)
