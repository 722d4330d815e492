"""A user's measured runs: a CSV with the loss and two of parameters, tokens and compute, read with every doubt said aloud."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bursar import own
from bursar.errors import PlanError, shown
from bursar.scaling.law import Doubt

# what a column may be called; the first is ours
COLUMNS = {
    "params": ("params", "parameters", "n", "n_params", "model_size"),
    "tokens": ("tokens", "d", "n_tokens", "training_tokens"),
    "flops": ("flops", "flop", "c", "compute", "budget", "training_flop"),
    "loss": ("loss", "l", "val_loss", "eval_loss"),
}
MOST_ROWS = 1_000_000
MOST = 1e60  # of a number


class Measured(NamedTuple):
    """Runs as columns of equal length, and what is doubtful about them."""

    params: tuple[float, ...]
    tokens: tuple[float, ...]
    flops: tuple[float, ...]
    loss: tuple[float, ...]
    doubts: tuple[Doubt, ...]


def read(path: str | Path) -> Measured:
    """The runs of a CSV file. With compute in place of parameters or tokens, C = 6ND gives the missing one.

    Raises PlanError for a missing column, a value that is no positive number, or fewer than six different runs.
    """
    place = Path(path)
    if own.place(str(path)) is None or not place.is_file():
        raise PlanError(
            f"no file {shown(str(path))}", field="file", value=str(place), valid="a CSV with loss and two of params, tokens, flops"
        )
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            return of_rows(csv.DictReader(file), str(place))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PlanError(f"cannot read {place}: {error}", field="file", value=str(place), valid="a CSV file in UTF-8") from None


def of_rows(rows: Iterable[dict[str, Any]], where: str = "runs") -> Measured:
    """The same of rows that were read already."""
    columns: dict[str, str] | None = None
    found: list[tuple[float, float, float, float]] = []
    repeated = 0
    seen = set()
    for number, row in enumerate(rows, 2):
        if columns is None:
            columns = _columns(row, where)
        if number > MOST_ROWS:
            raise PlanError(f"more than {MOST_ROWS} rows", field="file", value=where, valid="fewer rows", where=where)
        run = _complete({name: _positive(row.get(column), column, number, where) for name, column in columns.items()})
        repeated += run in seen
        seen.add(run)
        found.append(run)
    if len(seen) < 6:
        raise PlanError(
            f"{len(seen)} different runs for 5 constants", field="rows", value=len(seen), valid="6 or more", where=where
        )
    params, tokens, flops, loss = zip(*found, strict=True)
    return Measured(params, tokens, flops, loss, tuple(_doubts(params, tokens, flops, repeated)))


def _columns(row: dict[str, Any], where: str) -> dict[str, str]:
    """Which column of the file holds what."""
    given = {str(name).strip().lower().replace(" ", "_"): str(name) for name in row}
    found = {
        name: next(given[alias] for alias in aliases if alias in given)
        for name, aliases in COLUMNS.items()
        if any(alias in given for alias in aliases)
    }
    if "loss" not in found or len(found) < 3:
        raise PlanError(
            f"columns {shown(', '.join(map(str, row)))}", field="columns", value=list(row),
            valid="loss, and two of params, tokens, flops", where=where,
        )  # fmt: skip
    return found


def _positive(text: object, column: str, number: int, where: str) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if not 0 < value < MOST:
        valid = f"a positive number below {MOST:g}"
        raise PlanError(f"{column} of line {number} is {shown(text)}", field=column, value=text, valid=valid, where=where)
    return value


def _complete(given: dict[str, float]) -> tuple[float, float, float, float]:
    params, tokens, flops = given.get("params"), given.get("tokens"), given.get("flops")
    if params is None:
        assert tokens is not None and flops is not None
        params = flops / (6 * tokens)
    if tokens is None:
        assert flops is not None
        tokens = flops / (6 * params)
    return params, tokens, flops if flops is not None else 6 * params * tokens, given["loss"]


def _doubts(params: Any, tokens: Any, flops: Any, repeated: int) -> list[Doubt]:
    """What makes a fit of these runs doubtful."""
    budgets = len({round(math.log(c) / 0.05) for c in flops})
    found = [
        ("repeated", repeated > 0),
        ("same_tokens", max(tokens) / min(tokens) < 1.5),
        ("same_params", max(params) / min(params) < 1.5),
        ("few_budgets", budgets < 4),
        ("narrow_compute", max(flops) / min(flops) < 100),
    ]
    return [Doubt(key, {"rows": repeated, "budgets": budgets}) for key, holds in found if holds]
