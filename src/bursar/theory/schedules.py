"""Learning-rate schedules: the rate of update t over its peak, for t from 0 to the number of updates.

All warm up linearly from 0; what follows falls from 1 to `floor`. A schedule is a function of the share of the updates after the
warm-up that are done, so that plans of any length have the same shape; the inverse root alone knows no end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from bursar.errors import PlanError, UnknownNameError


class Length(NamedTuple):
    """Updates in all, of the warm-up, and of a decay at the end (WSD)."""

    updates: int
    warmup: int = 0
    decay: int = 0

    def done(self, t: int) -> float:
        """The share of the updates after the warm-up that are done."""
        return (t - self.warmup) / max(1, self.updates - self.warmup)


@dataclass(frozen=True)
class Schedule:
    """A schedule: its factor after the warm-up before `floor` lifts it, its formula and its source."""

    name: str
    factor: Callable[[int, Length], float]
    formula: str
    source: str

    def at(self, t: int, length: Length, floor: float = 0.0) -> float:
        """The rate of update t over the peak. Raises PlanError where warm-up and decay do not fit."""
        if length.warmup + length.decay > length.updates:
            raise PlanError(
                f"a warm-up of {length.warmup} and a decay of {length.decay} in {length.updates} updates", field="warmup",
                value=length.warmup, valid=f"together at most {length.updates}",
            )  # fmt: skip
        if t < length.warmup:
            return t / length.warmup
        return floor + (1 - floor) * self.factor(t, length)


def _constant(t: int, length: Length) -> float:
    return 1.0


def _linear(t: int, length: Length) -> float:
    return 1 - length.done(t)


def _cosine(t: int, length: Length) -> float:
    return (1 + math.cos(math.pi * length.done(t))) / 2


def _inverse_root(t: int, length: Length) -> float:
    start = max(1, length.warmup)
    return math.sqrt(start / max(start, t))


def _wsd(t: int, length: Length) -> float:
    return min(1.0, (length.updates - t) / length.decay) if length.decay else 1.0


SCHEDULES: Mapping[str, Schedule] = MappingProxyType({
    found.name: found
    for found in (
        Schedule("constant", _constant, "1", "definition"),
        Schedule("linear", _linear, "(T − t)/(T − w)", "bert-schedule"),
        Schedule("cosine", _cosine, "(1 + cos πp)/2, p = (t − w)/(T − w)", "sgdr"),
        Schedule("inverse-sqrt", _inverse_root, "√(w/t)", "transformer"),
        Schedule("wsd", _wsd, "min(1, (T − t)/d)", "minicpm"),
    )
})  # fmt: skip


def schedule(name: str) -> Schedule:
    """A schedule by name."""
    if name not in SCHEDULES:
        raise UnknownNameError("schedule", name, SCHEDULES)
    return SCHEDULES[name]
