"""Multipliers of the seconds of compute, attention and communication: rates of a machine that takes so many times as long, what
of a job's step each governs, and how sure one may be of a step at rates that runs gave."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from bursar.facts import Fact
from bursar.machines.devices import Rates, band_of

STEP = 1.02  # by which a multiplier is moved to see what share of a step it governs
QUANTILE = 1.6449  # of a normal: five in a hundred lie beyond


class Multipliers(NamedTuple):
    """Seconds over those at a device's rates."""

    compute: float = 1.0
    attention: float = 1.0
    communication: float = 1.0


RATES: dict[str, tuple[str, ...]] = {
    "compute": ("matmul", "scan", "memory", "permute", "loss"),
    "attention": ("attention",),
    "communication": ("link", "all_to_all", "all_reduce", "network"),
}
TIMES: dict[str, tuple[str, ...]] = {
    "compute": ("overhead",),
    "communication": ("link_latency", "all_reduce_latency", "network_latency"),
}


def scaled(rates: Rates, by: Multipliers) -> Rates:
    """Rates of a machine that takes so many times as long."""
    changed: dict[str, Fact] = {}
    for kind, factor in by._asdict().items():
        for names, times in ((RATES.get(kind, ()), 1 / factor), (TIMES.get(kind, ()), factor)):
            changed |= {name: replace(fact, value=fact.value * times) for name in names for fact in (getattr(rates, name),)}
    return replace(rates, **changed)  # type: ignore[arg-type]


def shares(job: Any) -> Multipliers:
    """The share of a training job's step that each multiplier governs: d ln(step) / d ln(multiplier)."""
    step = job.time().step
    found = [
        replace(job, rates=scaled(job.achieved, Multipliers()._replace(**{kind: STEP}))).time().step for kind in Multipliers._fields
    ]
    return Multipliers(*[(moved / step - 1) / (STEP - 1) for moved in found])


def band_for(job: Any) -> tuple[Fact, Fact]:
    """Measured over predicted step time of a training job, (fastest, slowest): the band of its rates, wider where runs gave them
    and the job's seconds are governed by what those runs left in doubt, as those of longer sequences after short ones."""
    fastest, slowest = band_of(job.achieved)
    doubt = job.achieved.doubt
    more = max(variance(doubt[:-1], shares(job)) - doubt[-1], 0.0) if doubt else 0.0
    spread = math.log(slowest.si / fastest.si) / 2 / QUANTILE
    wider = math.exp(QUANTILE * (math.sqrt(spread**2 + more) - spread))
    return replace(fastest, value=fastest.value / wider), replace(slowest, value=slowest.value * wider)


def variance(covariances: tuple[float, ...], governed: Multipliers) -> float:
    """Of the logarithm of a step: gᵀ Σ g, with the covariances of the multipliers' logarithms row by row."""
    size = len(governed)
    return math.fsum([covariances[i * size + j] * governed[i] * governed[j] for i in range(size) for j in range(size)])
