"""How far predicted step times are off: as they come, after one multiplier, after three."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

from bursar.calibrate import multipliers
from bursar.machines.devices import band
from bursar.machines.multipliers import Multipliers, shares
from bursar.parallel.expert import routed

from . import Row

LEAST = 3  # rows of a kind below which three multipliers are not fitted


class Timed(NamedTuple):
    """A row with what was predicted for it."""

    row: Row
    predicted: float
    shares: Multipliers

    @property
    def error(self) -> float:
        return self.predicted / self.row.measured - 1

    @property
    def ratio(self) -> float:
        return self.row.measured / self.predicted


class Errors(NamedTuple):
    """Rows, mean of the sizes of their errors, bias, the worst, and the share of rows whose measured time is inside a band."""

    rows: int
    mean: float
    bias: float
    worst: float
    inside: float


def timed(row: Row) -> Timed:
    """A row replayed."""
    return Timed(row, row.job.time().step, shares(row.job))


def errors(ratios: Sequence[float], origin: str) -> Errors:
    """The errors of predictions from measured over predicted times."""
    fastest, slowest = band(origin)
    found = [1 / ratio - 1 for ratio in ratios]
    inside = sum(fastest.si <= ratio <= slowest.si for ratio in ratios)
    return Errors(
        len(found), math.fsum(map(abs, found)) / len(found), math.fsum(found) / len(found), max(found, key=abs), inside / len(found)
    )


def kind(row: Timed) -> tuple[str, str, bool]:
    """What a calibration is for: a source's software on a device, for dense models or for mixtures of experts."""
    job = row.row.job
    return row.row.source, str(job.device and job.device.id), bool(routed(job.architecture))


def kinds(rows: Sequence[Timed]) -> list[list[Timed]]:
    """Rows of one kind together."""
    found: dict[tuple[str, str, bool], list[Timed]] = {}
    for row in rows:
        found.setdefault(kind(row), []).append(row)
    return list(found.values())


def left_out_once(rows: Sequence[Timed]) -> list[float]:
    """Measured over predicted times after one multiplier from the other rows of the kind. Rows of the same job (other releases of
    the software, other numbers of replicas) are left out together: they would tell it what it is asked."""
    found = []
    for alike in kinds(rows):
        for row in alike:
            others = [other.ratio for other in alike if _job(other) != _job(row)]
            if others:
                found.append(row.ratio / multipliers.one(others))
    return found


def repeated(rows: Sequence[Timed]) -> list[float]:
    """Measured times over those of the same job and plan in other releases of the software (their geometric mean): as near as a
    prediction comes that is not told the release."""
    found: dict[object, list[Timed]] = {}
    for row in rows:
        found.setdefault((kind(row), _job(row), row.row.job.global_batch, row.row.job.plan), []).append(row)
    logs = [[math.log(row.row.measured) for row in alike] for alike in found.values() if len(alike) > 1]
    return [math.exp(own - (math.fsum(alike) - own) / (len(alike) - 1)) for alike in logs for own in alike]


def _job(row: Timed) -> object:
    job = row.row.job
    return id(job.architecture), job.plan.tensor, job.plan.pipeline, job.plan.expert, job.length, job.plan.precision


def third(rows: Sequence[Timed]) -> tuple[list[Timed], list[Timed]]:
    """A third of the rows, chosen by a hash of their names, and the rest."""
    chosen = {row.row.name for row in rows if hashlib.sha256(row.row.name.encode()).digest()[0] % 3 == 0}
    return [row for row in rows if row.row.name in chosen], [row for row in rows if row.row.name not in chosen]


def after_three(rows: Sequence[Timed]) -> list[float]:
    """Measured over predicted times of two thirds of the rows after three multipliers from the other third, by kind."""
    found: list[float] = []
    for alike in kinds(rows):
        learned, rest = third(alike)
        if len(learned) >= LEAST:
            fitted = multipliers.three([(row.shares, row.ratio) for row in learned])
            found += [row.ratio / multipliers.predicted(row.shares, fitted) for row in rest]
    return found
