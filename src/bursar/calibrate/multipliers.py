"""What one run, or a few, say about a machine: multipliers of the seconds of compute, attention and communication.

A multiplier above one means slower than its achieved rates say. Few are fitted, on logarithms, each drawn towards one by a prior
(ridge): one from a single run, three where runs differ in length and in how they are cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bursar.facts import Fact
from bursar.machines.devices import Rates
from bursar.training import Training

STEP = 1.02  # by which a multiplier is moved to see what share of a step it governs
PRIOR = 0.01  # (5 % of noise / a factor of e^0.5 of doubt) squared
ROUNDS = 30
MOST = 2.0  # of the logarithm of a multiplier


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


def shares(job: Training) -> Multipliers:
    """The share of a step that each multiplier governs: d ln(step) / d ln(multiplier)."""
    step = job.time().step
    found = [
        replace(job, rates=scaled(job.achieved, Multipliers()._replace(**{kind: STEP}))).time().step for kind in Multipliers._fields
    ]
    return Multipliers(*[(moved / step - 1) / (STEP - 1) for moved in found])


def one(ratios: Sequence[float]) -> float:
    """The multiplier of all seconds: the geometric mean of measured over predicted times."""
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def three(runs: Sequence[tuple[Multipliers, float]], prior: Any = None) -> Multipliers:
    """Multipliers from runs, each with its shares and its measured over its predicted time. `prior` (3 × 3) is how much the
    logarithms of the three are drawn towards zero: the noise of a run squared, over their covariance; by default PRIOR for each."""
    import numpy as np

    governed = np.array([found for found, _ in runs])
    fixed = 1 - governed.sum(axis=1)
    wanted = np.log([ratio for _, ratio in runs])
    logs = np.zeros(len(Multipliers._fields))
    drawn = PRIOR * np.eye(len(logs)) if prior is None else prior
    for _ in range(ROUNDS):
        parts = governed * np.exp(logs)
        total = np.maximum(fixed + parts.sum(axis=1), 1e-9)
        slopes = parts / total[:, None]
        missing = wanted - np.log(total)
        normal = slopes.T @ slopes + drawn
        logs = np.clip(logs + np.linalg.solve(normal, slopes.T @ missing - drawn @ logs), -MOST, MOST)
    return Multipliers(*map(float, np.exp(logs)))


def predicted(found: Multipliers, by: Multipliers) -> float:
    """How much longer a step takes under multipliers that govern such shares of it."""
    return max(1 + sum([share * (factor - 1) for share, factor in zip(found, by, strict=True)]), 1e-9)
