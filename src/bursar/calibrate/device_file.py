"""A measured device as a TOML file that `--device FILE` takes: each number with its unit and how it was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from bursar import own

WORDS = ("name", "vendor", "like")
TABLES = ("peak", "memory", "link", "network", "node", "power", "rates")


class Number(NamedTuple):
    """A measured number."""

    value: float
    unit: str
    note: str


class Measured(NamedTuple):
    """What was measured of a machine: texts and numbers by the keys of a device file, the date, and the software."""

    texts: Mapping[str, str]
    numbers: Mapping[str, Number]
    date: str
    software: str

    def payload(self) -> dict[str, object]:
        return {
            **self.texts, "date": self.date, "software": self.software,
            "facts": {key: number._asdict() for key, number in self.numbers.items()},
        }  # fmt: skip


def text(found: Measured) -> str:
    """The file."""
    lines = [f"{key} = {_quoted(found.texts[key])}" for key in WORDS if key in found.texts]
    lines += [f"source = {_quoted(f'bursar calibrate --measure, {found.software}')}", f"as_of = {_quoted(found.date)}"]
    for table in TABLES:
        inside = {key.partition(".")[2]: number for key, number in found.numbers.items() if key.startswith(f"{table}.")}
        if inside or table == "rates":
            lines += ["", f"[{table}]"]
        if table == "rates":
            lines += ['origin = "operators"']
        lines += [
            f"{key} = {{ value = {number.value:.6g}, unit = {_quoted(number.unit)}, note = {_quoted(number.note)} }}"
            for key, number in inside.items()
        ]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return json.dumps("".join([letter for letter in value if letter.isprintable()])[: own.LONGEST], ensure_ascii=False)
