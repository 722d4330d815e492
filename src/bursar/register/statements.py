"""The statements of the documents that bursar grew from: what each says, the verdict on it, and the reason; and the conventions
that settle where they contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bursar.errors import FactError
from bursar.facts import data, read_toml

VERDICTS = ("OK", "COND", "WRONG", "VAGUE", "CONFLICT", "GAP", "WISH")


@dataclass(frozen=True)
class Statement:
    """A statement of a document, by its lines. `title`, `stated` and `reason` are in both languages; `numbers` are the ids of
    the computed values that the verdict rests on, `answered_by` command lines that show more."""

    id: str
    lines: str
    verdict: str
    title: Mapping[str, str]
    stated: Mapping[str, str]
    reason: Mapping[str, str]
    numbers: tuple[str, ...] = ()
    answered_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Convention:
    """A question that the documents answer differently: their positions, the convention adopted, and why."""

    id: str
    question: Mapping[str, str]
    positions: Mapping[str, str]
    convention: Mapping[str, str]
    reason: Mapping[str, str]
    numbers: tuple[str, ...] = ()


def conventions() -> tuple[Convention, ...]:
    """All conventions in order."""
    rows = read_toml(data("register", "conventions.toml"), "conventions.toml")["convention"]
    try:
        return tuple(Convention(**{**row, "numbers": tuple(row.get("numbers", ()))}) for row in rows)
    except TypeError as error:
        raise FactError(f"a convention has wrong keys: {error}", field="convention") from None


def statements() -> tuple[Statement, ...]:
    """All statements, document by document."""
    files = sorted((file for file in data("register", "statements").iterdir() if file.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_statement(row, file.name) for file in files for row in read_toml(file, file.name)["statement"])


def _statement(row: Mapping[str, Any], where: str) -> Statement:
    lists = {key: tuple(row.get(key, ())) for key in ("numbers", "answered_by")}
    try:
        found = Statement(**{**row, **lists})
    except TypeError as error:
        raise FactError(f"a statement of {where} has wrong keys: {error}", field="statement") from None
    if found.verdict not in VERDICTS:
        raise FactError(f"{found.id} of {where}: verdict={found.verdict!r}", field="verdict", value=found.verdict, valid=VERDICTS)
    return found
