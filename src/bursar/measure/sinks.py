"""Where readings go: a function, a logger, a file of JSON lines, or TensorBoard."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bursar.errors import BursarError

Values = dict[str, Any]
Sink = Callable[[Values, int], None]


def sinks(given: Any) -> tuple[Sink, ...]:
    """What readings are handed to: a path ending in .jsonl, a logging.Logger, something with `add_scalar` (TensorBoard's
    SummaryWriter), a function of (values, step), or several of them. Raises BursarError for anything else."""
    if given is None:
        return ()
    if isinstance(given, Iterable) and not isinstance(given, str):
        return tuple(sink for part in given for sink in sinks(part))
    if isinstance(given, (str, Path)) and str(given).endswith(".jsonl"):
        return (_lines(Path(given)),)
    if isinstance(given, logging.Logger):
        return (_logger(given),)
    if hasattr(given, "add_scalar"):
        return (_scalars(given),)
    if callable(given):
        return (given,)
    raise BursarError(
        f"readings cannot go to {given!r}", field="log",
        valid="a .jsonl path, a logger, a SummaryWriter, or a function of (values, step)",
    )  # fmt: skip


def _lines(file: Path) -> Sink:
    def write(values: Values, step: int) -> None:
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"step": step, **values}) + "\n")

    return write


def _logger(logger: logging.Logger) -> Sink:
    def write(values: Values, step: int) -> None:
        shown = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items())
        logger.info("step %d: %s", step, ", ".join(shown))

    return write


def _scalars(writer: Any) -> Sink:
    def write(values: Values, step: int) -> None:
        for key, value in values.items():
            writer.add_scalar(f"bursar/{key}", value, step)

    return write
