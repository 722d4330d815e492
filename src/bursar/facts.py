"""Numbers from outside: a `Fact` cannot be built without its unit, its source and a date.

Units are written as the source prints them; `Fact.si` converts to the base unit that formulas use
(bytes, FLOP/s, bytes/s, seconds, watts). GB is 1e9 bytes and GiB is 2^30 bytes, always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bursar.errors import FactError

UNITS: dict[str, float] = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    "FLOP": 1, "FLOP/s": 1, "GFLOP/s": 10**9, "TFLOP/s": 10**12, "PFLOP/s": 10**15, "TOP/s": 10**12,
    "B/s": 1, "GB/s": 10**9, "TB/s": 10**12, "Gb/s": 125_000_000,
    "s": 1, "ms": 1e-3, "us": 1e-6, "h": 3600, "days": 86_400, "W": 1, "kW": 1000, "kg/kWh": 1, "g/kWh": 1e-3,
    "1": 1, "tokens": 1, "devices": 1, "USD/device-hour": 1,
}  # fmt: skip

_DATA = Path(__file__).parent / "data"
_DATE = re.compile(r"\d{4}(-\d{2}){0,2}")


@dataclass(frozen=True)
class Source:
    """Where a number or a formula comes from."""

    title: str
    as_of: str
    url: str = ""

    def __post_init__(self) -> None:
        if not self.title:
            raise FactError("a source needs a title", field="title", value=self.title)
        if not _DATE.fullmatch(self.as_of):
            raise FactError(
                f"source {self.title!r} has the date {self.as_of!r}", field="as_of", valid="YYYY, YYYY-MM or YYYY-MM-DD"
            )


@dataclass(frozen=True)
class Fact:
    """A number with its unit and its source."""

    value: float
    unit: str
    source: Source
    note: str = ""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise FactError(f"unknown unit {self.unit!r} of {self.value}", field="unit", value=self.unit, valid=UNITS)
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not self.value >= 0:
            raise FactError(f"a fact must be a number of zero or more, not {self.value!r}", field="value", value=self.value)

    @property
    def si(self) -> float:
        """The number in the base unit of its kind."""
        return self.value * UNITS[self.unit]


def data(*path: str) -> Path:
    """A file or folder of the packaged data."""
    return _DATA.joinpath(*path)


def read_toml(file: Path, name: str) -> dict[str, Any]:
    """A TOML data file as plain dicts; a syntax error names the file."""
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FactError(f"{name} is not valid TOML: {error}") from None


def read_sources(table: Mapping[str, Mapping[str, str]], where: str) -> dict[str, Source]:
    """The `[sources.<id>]` tables of a data file."""
    try:
        return {key: Source(**entry) for key, entry in table.items()}
    except TypeError as error:
        raise FactError(f"a source of {where} has wrong keys: {error}", valid="title, as_of, url") from None


def read_facts(node: Mapping[str, Any], sources: Mapping[str, Source], where: str) -> dict[str, Any]:
    """Turn every `{ value, unit, source }` table below `node` into a Fact; keep other values as they are."""
    return {key: _fact_or_value(value, sources, f"{where}.{key}") for key, value in node.items()}


def _fact_or_value(value: Any, sources: Mapping[str, Source], where: str) -> Any:
    if not isinstance(value, dict):
        return value
    if "value" not in value:
        return read_facts(value, sources, where)
    if missing := [key for key in ("unit", "source") if key not in value]:
        raise FactError(f"{where} has no {' and no '.join(missing)}", field=where, valid="value, unit, source, note")
    if value["source"] not in sources:
        raise FactError(f"{where} names an unknown source {value['source']!r}", field=where, valid=sorted(sources))
    return Fact(value["value"], value["unit"], sources[value["source"]], value.get("note", ""))


@lru_cache(maxsize=256)
def table(*path: str) -> dict[str, Any]:
    """A data file, read once: every `{ value, unit, source }` table below it as a Fact, other values as they are, without the
    `[sources.<id>]` tables."""
    name = path[-1]
    raw = read_toml(data(*path), name)
    known = read_sources(raw.pop("sources", {}), name)
    return read_facts(raw, known, name.removesuffix(".toml"))


@lru_cache(maxsize=1)
def sources() -> dict[str, Source]:
    """The papers and pages that formulas and constants cite by id (`data/sources.toml`)."""
    return read_sources(read_toml(data("sources.toml"), "sources.toml")["sources"], "sources.toml")
