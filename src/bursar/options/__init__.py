"""Every option once: tables from which the command line, the Python call, a link's query string and a form are made.

Names are those of the command line without dashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar.options import (
    budget,
    calibrate,
    explain,
    init,
    jobs,
    launch,
    matrix,
    measure,
    running,
    scaling,
    theory_formats,
    theory_optimizers,
)
from bursar.options.option import Option

TABLES: tuple[tuple[Option, ...], ...] = (
    jobs.ROWS,
    scaling.ROWS,
    budget.ROWS,
    explain.ROWS,
    matrix.ROWS,
    measure.ROWS,
    theory_formats.ROWS,
    theory_optimizers.ROWS,
    init.ROWS,
    running.ROWS,
    calibrate.ROWS,
    launch.ROWS,
)
OPTIONS: Mapping[str, Option] = {option.name: option for table in TABLES for option in table}


def values(given: Mapping[str, Any], own: Mapping[str, Option] = OPTIONS) -> dict[str, Any]:
    """Every given option read and checked; None stands for its default. `own` are those that one verb reads another way."""
    return {name: own.get(name, OPTIONS[name]).value(value) for name, value in given.items()}


def switch(option: Option) -> bool:
    """Whether an option is given without a value."""
    return option.read is None and not option.valid
