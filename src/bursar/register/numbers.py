"""Claimed numbers as data: what was claimed, the command lines that answer it, and what of the answers is compared.

    [[number]]
    id = "N3.33"
    what = { en = "…", zh = "…" }       or one text for both languages
    shown = "1.02518"                   the digits to be reproduced; several numbers are compared one by one
    unit = "x"                          optional
    ask = "flops gpt3-175b --seq 2048"  a command line without `bursar`
    read = "train"                      a path into its JSON; a list of paths for several numbers

Where one answer is not enough, `values` names several, and `value` is arithmetic over the names (a list for several numbers):

    values = { exact = { ask = "…", read = "train" }, rule = { ask = "…", read = "flops" } }
    value = "exact / rule"

A number whose verb does not exist names it in `needs`, and has neither. `source` may say where the claim was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bursar.errors import FactError, shown
from bursar.register import arithmetic
from bursar.register.asking import Line, line

KEYS = ("id", "what", "shown", "unit", "ask", "read", "values", "value", "needs", "source")
MOST, ANSWERS = 500, 20  # claims of a file, command lines of a claim


@dataclass(frozen=True)
class Number:
    """A claimed number. `asks` are the command lines and paths by name, `values` arithmetic over the names; a number that `needs`
    a verb has neither."""

    id: str
    what: Mapping[str, str]
    shown: str
    unit: str
    asks: Mapping[str, tuple[Line, str]]
    values: tuple[str, ...]
    needs: str
    source: str


def read(table: Mapping[str, Any], where: str) -> tuple[Number, ...]:
    """The `[[number]]` tables of a file; other keys than those above are refused by name."""
    _only(table, ("number",), where)
    rows = table.get("number", [])
    if not isinstance(rows, list) or not rows or len(rows) > MOST:
        raise FactError(f"{where} has no list of numbers", field="number", valid=f"1 to {MOST} tables [[number]]")
    found = [_number(row, f"{where}, number {place}") for place, row in enumerate(rows, 1)]
    if len(ids := [number.id for number in found]) != len(set(ids)):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise FactError(f"{where} has {shown(twice)} twice", field="id", value=twice)
    return tuple(found)


def _number(row: Any, where: str) -> Number:
    if not isinstance(row, dict):
        raise FactError(f"{where} is no table", field="number", value=row)
    _only(row, KEYS, where)
    name, claimed = _text(row, "id", where), _text(row, "shown", where)
    where = f"{where} ({shown(name)})"
    what = row.get("what", name)
    if not isinstance(what, (str, dict)) or (isinstance(what, dict) and set(what) != {"en", "zh"}):
        raise FactError(f"{where}: what", field="what", value=what, valid='a text, or { en = "…", zh = "…" }')
    words = {"en": what, "zh": what} if isinstance(what, str) else what
    optional = {key: _text(row, key, where) if key in row else "" for key in ("unit", "needs", "source")}
    ways = [key for key in ("ask", "values", "needs") if key in row]
    if len(ways) != 1:
        raise FactError(f"{where} has {' and '.join(ways) or 'neither'}", field="ask", valid="one of ask, values, needs")
    asks, values = {"ask": _asked, "values": _named, "needs": _nothing}[ways[0]](row, where)
    return Number(name, words, claimed, optional["unit"], asks, values, optional["needs"], optional["source"])


def _nothing(row: Mapping[str, Any], where: str) -> tuple[Mapping[str, tuple[Line, str]], tuple[str, ...]]:
    _only(row, tuple(key for key in KEYS if key not in ("read", "value")), where)
    return {}, ()


def _asked(row: Mapping[str, Any], where: str) -> tuple[Mapping[str, tuple[Line, str]], tuple[str, ...]]:
    """One command line, of whose answer one or several parts are read."""
    _only(row, tuple(key for key in KEYS if key != "value"), where)
    words = line(_text(row, "ask", where), where)
    paths = row.get("read")
    asks = {f"v{place}": (words, path) for place, path in enumerate(_texts({"read": paths}, "read", where))}
    return asks, tuple(asks)


def _named(row: Mapping[str, Any], where: str) -> tuple[Mapping[str, tuple[Line, str]], tuple[str, ...]]:
    """Several answers by name, and arithmetic over them."""
    _only(row, tuple(key for key in KEYS if key != "read"), where)
    if not isinstance(row["values"], dict) or not 1 <= len(row["values"]) <= ANSWERS:
        raise FactError(f"{where}: values", field="values", valid=f'1 to {ANSWERS} of name = {{ ask = "…", read = "…" }}')
    asks = {}
    for name, answer in row["values"].items():
        if not name.isidentifier() or not isinstance(answer, dict):
            raise FactError(f"{where}: values.{shown(name)}", field="values", valid='name = { ask = "…", read = "…" }')
        _only(answer, ("ask", "read"), where)
        asks[name] = line(_text(answer, "ask", where), where), _text(answer, "read", where)
    values = _texts(row, "value", where)
    for text in values:
        if unknown := arithmetic.names(text) - set(asks):
            raise FactError(f"{where}: value names {sorted(unknown)[0]}", field="value", value=text, valid=list(asks))
    return asks, values


def _only(row: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    unknown = [key for key in row if key not in keys]
    if unknown:
        raise FactError(f"{where} has the key {shown(unknown[0])}", field=str(unknown[0]), valid=list(keys))


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > 1000 or not value.isprintable():
        problem = f"{where} has no {key}" if value is None else f"{where}: {key}={shown(value)}"
        raise FactError(problem, field=key, value=value, valid="a line of text")
    return value


def _texts(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """A text, or a list of texts."""
    value = row.get(key)
    items = value if isinstance(value, list) else [value]
    if not 1 <= len(items) <= ANSWERS:
        raise FactError(f"{where}: {key}", field=key, valid=f"a line of text or a list of 1 to {ANSWERS}")
    return tuple(_text({key: item}, key, where) for item in items)
