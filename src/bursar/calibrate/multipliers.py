"""What one run, or a few, say about a machine: multipliers of the seconds of compute, attention and communication.

A multiplier above one means slower than its achieved rates say. Few are fitted, on logarithms, each drawn towards one by a prior
(ridge): one from a single run, three where runs differ in length and in how they are cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bursar.machines.multipliers import Multipliers

PRIOR = 0.01  # (5 % of noise / a factor of e^0.5 of doubt) squared
ROUNDS = 30
MOST = 2.0  # of the logarithm of a multiplier


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
