"""Gradient accumulation: one step from the gradients of several micro-batches.

The gradient of a mean over all samples is the mean of the micro-batches' mean gradients, each weighted by its samples:
g = Σ nᵢgᵢ / Σ nᵢ. Adding them up without division gives n times as much; dividing by their number is right where all are as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bursar.theory.updates.rule import Array, norm

FEATURES = 3


class Accumulated(NamedTuple):
    """The gradient of a step put together in three ways: summed, divided by the number of micro-batches, weighted by samples."""

    summed: Array
    divided: Array
    weighted: Array

    def errors(self, exact: Array) -> dict[str, float]:
        """Their relative errors against a gradient."""
        return {name: norm(got - exact) / norm(exact) if norm(exact) else 0.0 for name, got in self._asdict().items()}


def accumulated(gradients: Sequence[Array], counts: Sequence[int]) -> Accumulated:
    """Mean gradients of micro-batches with their samples, put together."""
    summed = np.sum(gradients, axis=0)
    weights = np.array(counts, float) / sum(counts)
    return Accumulated(summed, summed / len(gradients), np.tensordot(weights, np.array(gradients), 1))


def least_squares(counts: Sequence[int], seed: int = 0) -> tuple[list[Array], Array]:
    """The mean gradients of the squared error ½(x·w − y)² at w = 0 on random samples: of each micro-batch, and of all samples."""
    draw = np.random.default_rng(seed)
    x, y = draw.standard_normal((sum(counts), FEATURES)), draw.standard_normal(sum(counts)) + 1.0
    slopes = -x * y[:, None]
    edges = np.cumsum([0, *counts])
    return [slopes[a:b].mean(axis=0) for a, b in pairwise(edges)], slopes.mean(axis=0)
