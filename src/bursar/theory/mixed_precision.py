"""Training in narrow formats: a regression whose updates are small beside its weights, in every way of keeping the weights.

Gradients are those of the weights as the format has them, themselves rounded to the format; the update is added to a master copy
in FP32, or to the narrow weights, rounded to nearest, stochastically, or with Kahan's compensation. A loss that is multiplied by a
tiny number (and a learning rate divided by it) is the same problem with tiny gradients: in FP16 they vanish unless the loss is
scaled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from bursar.formats import Float, named
from bursar.theory.neighbours import STOCHASTIC
from bursar.theory.rounding import Array, quantize

SAMPLES, WEIGHTS = 256, 32
TINY = 2.0**-24  # of the loss in the rows with tiny gradients
LOSS_SCALE = 2.0**16


@dataclass(frozen=True)
class Way:
    """A way of keeping the weights: their format, whether an FP32 master copy takes the updates, how the sum is rounded, whether
    what rounding took off is carried along; factors on the loss itself and of loss scaling."""

    name: str
    format: str
    master: bool = False
    rounding: str = "nearest-even"
    kahan: bool = False
    loss: float = 1.0
    scale: float = 1.0


WAYS: Mapping[str, Way] = MappingProxyType({
    way.name: way
    for way in (
        Way("fp32", "fp32"),
        Way("bf16", "bf16"),
        Way("bf16-master", "bf16", master=True),
        Way("bf16-stochastic", "bf16", rounding=STOCHASTIC),
        Way("bf16-kahan", "bf16", kahan=True),
        Way("fp16-tiny", "fp16", master=True, loss=TINY),
        Way("fp16-tiny-scaled", "fp16", master=True, loss=TINY, scale=LOSS_SCALE),
    )
})  # fmt: skip


class Trained(NamedTuple):
    """A run: the loss of the weights as kept before every step and after the last, over that at the start; the share of elements
    that an update left as they were."""

    name: str
    losses: tuple[float, ...]
    lost: float

    @property
    def final(self) -> float:
        return self.losses[-1]


class Regression(NamedTuple):
    """½ mean (x·w − y)² with y from known weights near 1, from which the start is a tenth away."""

    x: Array
    y: Array
    start: Array

    def loss(self, w: Array) -> float:
        return float(np.mean((self.x @ w - self.y) ** 2)) / 2

    def gradient(self, w: Array) -> Array:
        found: Array = self.x.T @ (self.x @ w - self.y) / len(self.y)
        return found


def regression(seed: int = 0) -> Regression:
    """Standard normal inputs, and targets without noise."""
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((SAMPLES, WEIGHTS))
    true = 1 + 0.5 * draw.random(WEIGHTS)
    return Regression(x, x @ true, true + 0.1 * draw.standard_normal(WEIGHTS))


def train(way: Way, problem: Regression, steps: int, lr: float, seed: int = 0) -> Trained:
    """Plain gradient descent in one way of keeping the weights."""
    found, draw = _float(way.format), np.random.default_rng(seed)
    fp32 = _float("fp32")
    held = quantize(problem.start, fp32 if way.master else found)
    carried = np.zeros(WEIGHTS)
    losses, kept = [], 0
    first = problem.loss(problem.start)
    for _ in range(steps):
        weights = quantize(held, found)
        losses.append(problem.loss(weights) / first)
        gradient = quantize(problem.gradient(weights) * way.loss * way.scale, found) / (way.loss * way.scale)
        step = -lr * gradient
        if way.master:
            after = quantize(held + step, fp32)
        elif way.kahan:
            after, carried = _compensated(held, step, carried, found)
        else:
            after = quantize(held + step, found, way.rounding, draw=draw)
        kept += int(np.sum(after == held))
        held = after
    losses.append(problem.loss(quantize(held, found)) / first)
    return Trained(way.name, tuple(losses), kept / (steps * WEIGHTS))


def _compensated(held: Array, step: Array, carried: Array, found: Float) -> tuple[Array, Array]:
    """Kahan's sum: what the sum could not take is kept in the same format and added to the next step."""
    wanted = quantize(step + carried, found)
    after = quantize(held + wanted, found)
    return after, quantize(wanted - quantize(after - held, found), found)


def _float(name: str) -> Float:
    found = named(name)
    assert isinstance(found, Float)
    return found


def all_ways(steps: int, lr: float, seed: int = 0, names: Sequence[str] = tuple(WAYS)) -> list[Trained]:
    """The same problem in every way."""
    return [train(WAYS[name], regression(seed), steps, lr, seed) for name in names]
