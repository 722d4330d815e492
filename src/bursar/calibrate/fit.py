"""Multipliers from runs: the seconds of compute, attention and communication over those at a device's rates.

    ln m = c + own,  c ~ N(0, common²),  own ~ N(0, attention²) of attention, N(0, communication²) of communication, 0 of compute
    ln(measured / predicted(m)) ~ N(0, noise²)

so that one run moves all three together, and runs that differ in length or in how they are cut tell them apart. Each run's step is
taken as linear in the multipliers about those that are found, which is exact but where one wait overtakes another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bursar.calibrate import multipliers
from bursar.calibrate.runs import Run
from bursar.errors import PlanError
from bursar.facts import Fact, table
from bursar.machines.multipliers import QUANTILE, Multipliers, scaled, shares

TURNS = 4  # of taking the tangent where the last fit ended
PUBLISHED = 4  # runs that the published ones count as, beside one's own errors


class Tangent(NamedTuple):
    """A run's step as a linear function of multipliers: seconds at one, and the share of them that each governs."""

    base: float
    shares: Multipliers

    def at(self, by: Multipliers) -> float:
        return self.base * multipliers.predicted(self.shares, by)


class Fit(NamedTuple):
    """Multipliers with how much of each the runs settled (0: as before, 1: they alone), and for every run measured over predicted
    time as it came, with the multipliers, and with those of the runs of other jobs (None: there are none).

    `fastest` and `slowest` are measured over predicted time of further runs, nine of ten between them; `governed` sums over the
    jobs, row by row, what two multipliers govern of a step, one times the other."""

    multipliers: Multipliers
    settled: Multipliers
    before: tuple[float, ...]
    after: tuple[float, ...]
    left_out: tuple[float | None, ...]
    jobs: int
    fastest: float
    slowest: float
    governed: tuple[float, ...]


def known() -> dict[str, dict[str, Fact]]:
    """What is known before any run is read (`data/calibration.toml`)."""
    return table("calibration.toml")


def covariance() -> Any:
    """Of the logarithms of the multipliers of a machine and its software."""
    prior = {name: fact.si**2 for name, fact in known()["prior"].items()}
    own = [prior.get(name, 0.0) for name in Multipliers._fields]
    return prior["common"] + np.diag(own)


def ridge() -> Any:
    """How much the logarithms are drawn towards zero, in units of one run."""
    return known()["prior"]["noise"].si ** 2 * np.linalg.inv(covariance())


def fit(runs: Sequence[Run]) -> Fit:
    """The multipliers that the runs ask for. Raises PlanError where there are none, or where they are of several devices."""
    if not runs:
        raise PlanError("there are no runs", field="runs", value=0, valid="one or more")
    if len(devices := sorted({_device(one) for one in runs})) > 1:
        raise PlanError(f"runs of {len(devices)} devices", field="device", value=devices, valid="one device for a calibration")
    found, tangents = Multipliers(), [_tangent(one, Multipliers()) for one in runs]
    before = tuple([one.step_s / tangent.base for one, tangent in zip(runs, tangents, strict=True)])
    for _ in range(TURNS):
        found = multipliers.three(list(_jobs(runs, tangents).values()), ridge())
        tangents = [_tangent(one, found) for one in runs]
    left_out = _left_out(runs, tangents)
    governed = _governed(runs, tangents, found)
    return Fit(
        found, _settled(after(governed)), before,
        tuple([one.step_s / tangent.at(found) for one, tangent in zip(runs, tangents, strict=True)]),
        left_out, len({job_of(one) for one in runs}), *_band(_of_jobs(runs, left_out)),
        tuple(map(float, governed.ravel())),
    )  # fmt: skip


def job_of(run: Run) -> tuple[Any, ...]:
    """What makes runs near-duplicates, one of which would tell the other: only replicas and the batch differ."""
    job = run.job
    return id(job.model), replace(job.plan, data=1), job.length


def _device(run: Run) -> str:
    return run.job.device.id if run.job.device else ""


def _tangent(run: Run, about: Multipliers) -> Tangent:
    """The linear function that has the step's value and slopes at some multipliers."""
    job = replace(run.job, rates=scaled(run.job.achieved, about))
    step = float(job.time().step)
    slopes = [step * share / by for share, by in zip(shares(job), about, strict=True)]
    base = step + sum([slope * (1 - by) for slope, by in zip(slopes, about, strict=True)])
    return Tangent(base, Multipliers(*[slope / base for slope in slopes]))


def _jobs(runs: Sequence[Run], tangents: Sequence[Tangent]) -> dict[Any, tuple[Multipliers, float]]:
    """The shares and the measured over the predicted time of every job: the means of its runs, which err alike."""
    found: dict[Any, list[tuple[Multipliers, float]]] = {}
    for one, tangent in zip(runs, tangents, strict=True):
        found.setdefault(job_of(one), []).append((tangent.shares, one.step_s / tangent.base))
    return {
        job: (Multipliers(*np.mean([shares for shares, _ in alike], axis=0)), multipliers.one([ratio for _, ratio in alike]))
        for job, alike in found.items()
    }


def _left_out(runs: Sequence[Run], tangents: Sequence[Tangent]) -> tuple[float | None, ...]:
    """Measured over predicted time of every run with the multipliers of other jobs."""
    jobs = _jobs(runs, tangents)
    if len(jobs) == 1:
        return (None,) * len(runs)
    drawn = ridge()
    fitted = {job: multipliers.three([one for other, one in jobs.items() if other != job], drawn) for job in jobs}
    return tuple([run.step_s / tangent.at(fitted[job_of(run)]) for run, tangent in zip(runs, tangents, strict=True)])


def _of_jobs(runs: Sequence[Run], ratios: Sequence[float | None]) -> list[float]:
    """One ratio for every job, so that a run that was repeated counts once."""
    found: dict[Any, list[float]] = {}
    for one, ratio in zip(runs, ratios, strict=True):
        if ratio is not None:
            found.setdefault(job_of(one), []).append(ratio)
    return [multipliers.one(alike) for alike in found.values()]


def _governed(runs: Sequence[Run], tangents: Sequence[Tangent], found: Multipliers) -> Any:
    """Sums over the jobs of what two multipliers govern of a step, one times the other."""
    slopes = np.array([
        [max(share, 0.0) * by / multipliers.predicted(of_job, found) for share, by in zip(of_job, found, strict=True)]
        for of_job, _ in _jobs(runs, tangents).values()
    ])  # fmt: skip
    return slopes.T @ slopes


def after(governed: Any) -> Any:
    """The covariance of the logarithms of the multipliers after runs whose steps they govern so."""
    return np.linalg.inv(governed / known()["prior"]["noise"].si ** 2 + np.linalg.inv(covariance()))


def doubt(governed: Sequence[float], jobs: float) -> tuple[float, ...]:
    """What runs leave in doubt (`Rates.doubt`): the covariance row by row, and the mean variance that it gives the jobs' steps."""
    sums = np.reshape(governed, (len(Multipliers._fields),) * 2)
    left = after(sums)
    return (*map(float, left.ravel()), float(np.sum(left * sums)) / jobs)


def _settled(after: Any) -> Multipliers:
    """1 − variance after the runs over variance before, of each logarithm."""
    return Multipliers(*[float(1 - a / b) for a, b in zip(np.diag(after), np.diag(covariance()), strict=True)])


def _band(ratios: Sequence[float]) -> tuple[float, float]:
    """Of further runs: that of published ones after as many, or its width together with one's own errors, as variances of runs."""
    published = known()["several" if ratios else "one"]
    fastest, slowest = published["fastest"].si, published["slowest"].si
    if not ratios:
        return fastest, slowest
    usual = math.log(slowest / fastest) / 2 / QUANTILE
    spread = math.sqrt((PUBLISHED * usual**2 + math.fsum([math.log(ratio) ** 2 for ratio in ratios])) / (PUBLISHED + len(ratios)))
    return math.exp(-QUANTILE * spread), math.exp(QUANTILE * spread)
