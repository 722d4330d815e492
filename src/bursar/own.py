"""A user's own facts: one TOML file, read by a table of the keys that it may have.

A number is text such as "989 TFLOP/s", or a table { value, unit, source, note }; what the file itself says of its source and date
stands for those that name none. The file is parsed and nothing else: an unknown key, a wrong unit, a number that cannot be and a
file that is too large are refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from bursar.errors import FactError, PlanError, shown
from bursar.facts import UNITS, Fact, Source

LARGEST = 65_536  # bytes of a file
WIDEST = 1000  # characters of a line: a key of thousands of parts would take minutes
MOST = 1e24  # of a number in base units
LONGEST = 200  # characters of a text
ENDING = ".toml"
WORD: tuple[str, ...] = ()  # the units of a text
ABOUT = ("source", "as_of")  # what every file may say of itself

RATE_UNITS = ("TFLOP/s", "GFLOP/s", "PFLOP/s", "FLOP/s", "TOP/s")
BYTE_UNITS = ("GB", "GiB", "TB", "TiB", "MB", "MiB", "kB", "KiB", "B")
BANDWIDTH_UNITS = ("GB/s", "TB/s", "Gb/s", "B/s")
TIME_UNITS = ("us", "ms", "s")
POWER_UNITS = ("W", "kW")
COUNT_UNITS = ("devices",)

_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(\S+(?: \S+)*)")


class Key(NamedTuple):
    """A key: the units that its number may have (none: it is a text), and whether the number may be zero."""

    units: tuple[str, ...] = WORD
    zero: bool = False


def is_file(name: str) -> bool:
    """Whether a name is that of a file, not of an entry of a catalog."""
    return name.lower().endswith(ENDING)


def place(name: str) -> Path | None:
    """The file or folder of a name, if there is one; a text that can be no name (too long, a zero in it) is none."""
    try:
        return Path(name) if Path(name).exists() else None
    except (OSError, ValueError):
        return None


def check(path: Path, largest: int, valid: str) -> None:
    """Raises PlanError for a path that is no file, or one of more than `largest` bytes."""
    if not path.is_file():
        raise PlanError(f"no file {shown(str(path))}", field="file", value=str(path), valid=valid)
    if path.stat().st_size > largest:
        raise PlanError(f"{path.name} is too large", field="file", value=path.stat().st_size, valid=f"at most {largest} bytes")


def write(name: str, text: str, field: str) -> None:
    """A text into the file that an option names. Raises PlanError where that cannot be written."""
    try:
        Path(name).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PlanError(
            f"cannot write {shown(name, LONGEST)}: {reason}", field=field, value=name, valid="a file that can be written"
        ) from None


def stem(name: str) -> str:
    """What a file's facts go by."""
    return "".join([letter for letter in Path(name).stem if letter.isprintable()])[:LONGEST] or "own"


def read(name: str, keys: Mapping[str, Key]) -> dict[str, Any]:
    """The texts and facts of a file by their dotted keys.

    Raises FactError for whatever the table of keys does not allow.
    """
    path = Path(name)
    where = path.name
    raw = table(path)
    found = dict(_flat(raw, (), keys))
    about = Source(_text(raw.get("source", f"{where}, as its owner gives it"), "source", where), _date(raw, path, where))
    if unknown := sorted(key for key in found if key not in keys and key not in ABOUT):
        raise FactError(f"{where} has an unknown key {shown(unknown[0])}", field=unknown[0], valid=_near(unknown[0], keys))
    return {key: _value(found[key], kind, key, about, where) for key, kind in keys.items() if key in found}


def table(path: Path, largest: int = LARGEST) -> dict[str, Any]:
    """What a user's TOML file says, as plain dicts. Raises FactError for a file that is none, too large, or made to take long."""
    where = path.name
    try:
        if not path.is_file():
            raise FactError(
                f"there is no file {shown(str(path))}", field="file", value=str(path), valid=f"a file that ends in {ENDING}"
            )
        if path.stat().st_size > largest:
            raise FactError(f"{where} is too large", field="file", value=path.stat().st_size, valid=f"at most {largest:,} bytes")
        return parsed(path.read_bytes()[: largest + 1].decode("utf-8"), where)
    except OSError as error:
        raise FactError(f"cannot read {shown(str(path))}: {error.strerror}", field="file", value=str(path)) from None
    except ValueError as error:  # a path with a zero in it, or bytes that are no UTF-8
        raise FactError(f"cannot read {shown(str(path))}: {' '.join(str(error).split())[:LONGEST]}", field="file") from None


def parsed(text: str, where: str) -> dict[str, Any]:
    """TOML of a user as plain dicts. Raises FactError."""
    import tomllib

    if any(len(line) > WIDEST for line in text.splitlines()):
        raise FactError(f"{where} has a line that is too long", field="file", valid=f"lines of at most {WIDEST} characters")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise FactError(f"{where} is nested too deeply", field="file", valid="tables of numbers") from None
    except ValueError as error:  # of TOML, of a number with too many digits
        raise FactError(f"{where} is not valid TOML: {' '.join(str(error).split())[:LONGEST]}", field="file") from None


def _flat(node: Mapping[str, Any], path: tuple[str, ...], keys: Mapping[str, Key]) -> Iterator[tuple[str, Any]]:
    """Values by dotted key; a table below a key that is known, or below none, is a value."""
    for name, value in node.items():
        key = ".".join((*path, name))
        inside = any(known.startswith(f"{key}.") for known in keys)
        if isinstance(value, dict) and inside:
            yield from _flat(value, (*path, name), keys)
        else:
            yield key, value


def _near(key: str, keys: Mapping[str, Key]) -> list[str]:
    import difflib

    return difflib.get_close_matches(key, keys, n=5, cutoff=0.5) or sorted(keys)


def _date(raw: Mapping[str, Any], path: Path, where: str) -> str:
    """The date that the file gives, or that of its last change."""
    if "as_of" in raw:
        return _text(str(raw["as_of"]), "as_of", where)
    from datetime import UTC, datetime

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST or not value.isprintable():
        raise FactError(
            f"{where}: {key} is {shown(value)}", field=key, value=value, valid=f"text of 1 to {LONGEST} characters, one line"
        )
    return value


def _value(raw: Any, kind: Key, key: str, about: Source, where: str) -> str | Fact:
    if kind.units == WORD:
        return _text(raw, key, where)
    value, unit, source, note = _quantity(raw, kind, key, about, where)
    if unit not in kind.units:
        raise FactError(f"{where}: {key} is not in {shown(unit)}", field=key, value=unit, valid=kind.units)
    lowest = 0.0 if kind.zero else math.ulp(0.0)
    if not lowest <= value <= MOST or value * UNITS[unit] > MOST:
        raise FactError(f"{where}: {key} is {value:g} {unit}", field=key, value=value, valid=f"a number {_range(kind)}")
    if kind.units == COUNT_UNITS and value != int(value):
        raise FactError(f"{where}: {key} is {value:g}", field=key, value=value, valid="a whole number of devices")
    return Fact(value, unit, source, note)


def _range(kind: Key) -> str:
    return f"{'of zero or more' if kind.zero else 'above zero'}, at most {MOST:g} in base units"


def _quantity(raw: Any, kind: Key, key: str, about: Source, where: str) -> tuple[float, str, Source, str]:
    """Value, unit, source and note of a number as it is written."""
    if isinstance(raw, dict):
        if unknown := sorted(set(raw) - {"value", "unit", "source", "note"}):
            raise FactError(f"{where}: {key} has an unknown key {shown(unknown[0])}", field=key, valid="value, unit, source, note")
        title = _text(raw["source"], f"{key}.source", where) if "source" in raw else about.title
        note = _text(raw["note"], f"{key}.note", where) if "note" in raw else ""
        value, unit = raw.get("value"), raw.get("unit", kind.units[0] if len(kind.units) == 1 else None)
        if _number(value) and isinstance(unit, str):
            return float(value), unit, Source(title, about.as_of, about.url), note
    elif isinstance(raw, str) and (match := _QUANTITY.fullmatch(raw.strip())) and _decimal(match[1]):
        return float(match[1]), match[2], about, ""
    elif len(kind.units) == 1 and _number(raw):
        return float(raw), kind.units[0], about, ""
    raise FactError(f"{where}: {key} is {shown(raw)}", field=key, valid=f'a number with its unit, such as "1 {kind.units[0]}"')


def _number(value: Any) -> TypeGuard[float]:
    """A number of TOML that is finite and no larger than any may be."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -MOST <= value <= MOST


def _decimal(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
