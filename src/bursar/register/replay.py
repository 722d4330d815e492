"""Replaying claimed numbers: every command line is asked once, and every value compared at the digits claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bursar import own
from bursar.errors import BursarError, FactError, shown
from bursar.facts import data, read_toml
from bursar.register import arithmetic, digits, numbers
from bursar.register.asking import Ask, absent, part
from bursar.register.numbers import Number

REPRODUCED, DIFFERS, REFUSED, NOT_BUILT, NOT_MEASURED = "reproduced", "differs", "refused", "not built", "not measured"
VERDICTS = (REPRODUCED, DIFFERS, REFUSED, NOT_BUILT, NOT_MEASURED)  # not measured: PyTorch is not installed
MOST_BYTES = 2**18  # of a user's claims


class Replayed(NamedTuple):
    """A claimed number and what bursar says: the claimed text with the computed values in it, or why there is none."""

    number: Number
    computed: str | None
    verdict: str
    error: str = ""


def register() -> tuple[Number, ...]:
    """The numbers of the register, group by group."""
    files = sorted((file for file in data("register", "numbers").iterdir() if file.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(number for file in files for number in numbers.read(read_toml(file, file.name), file.name))


def claims(place: str) -> tuple[Number, ...]:
    """The numbers of a user's file."""
    return numbers.read(own.table(Path(place), MOST_BYTES), Path(place).name)


def chosen(ids: Sequence[str], only: str | None) -> set[str]:
    """The ids that are asked for: whole ones, or all that begin like `N3` or `S1`."""
    if only is None:
        return set(ids)
    wanted = [one.strip().upper() for one in only.split(",")]
    found = {name for name in ids for one in wanted if _begins(name.upper(), one)}
    if not found:
        raise FactError(f"only={shown(only)} chooses nothing", field="only", value=only, valid="an id such as N3.01, or N3, S1")
    return found


def _begins(name: str, wanted: str) -> bool:
    """`N1` begins N1.09, not N12.01; `S` begins every statement, `B` every convention."""
    return (
        name == wanted or name.startswith((f"{wanted}.", f"{wanted}-")) or (wanted in ("N", "S", "B") and name.startswith(wanted))
    )


def replay(claimed: Sequence[Number], ask: Ask) -> Iterator[Replayed]:
    """Every number beside its answer."""
    asked = cache(ask)
    for number in claimed:
        yield _replayed(number, asked) if not number.needs else Replayed(number, None, NOT_BUILT)


def _replayed(number: Number, ask: Ask) -> Replayed:
    if any(absent(line) for line, _ in number.asks.values()):
        return Replayed(number, None, NOT_MEASURED)
    answers: dict[str, Any] = {}
    refusals: list[str] = []
    try:
        for name, (line, path) in number.asks.items():
            answer = ask(line)
            refusals += [answer["error"]] if "error" in answer and path != "error" else []
            answers[name] = part(answer, path)
        values = [arithmetic.value(text, answers) for text in number.values]
        found = digits.compared(number.shown, values)
    except BursarError as error:
        return Replayed(number, None, REFUSED, (refusals or [str(error)])[-1])
    return Replayed(number, found.text, REPRODUCED if found.same else DIFFERS)


def counts(rows: Sequence[Replayed]) -> Mapping[str, Mapping[str, int]]:
    """How many of each verdict, by group (`N3`); claims without one are together."""
    groups: dict[str, dict[str, int]] = {}
    for row in rows:
        group, dot, _ = row.number.id.partition(".")
        own = groups.setdefault(group if dot else "claims", dict.fromkeys(VERDICTS, 0))
        own[row.verdict] += 1
    return groups
