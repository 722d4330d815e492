"""Optimizers run on a problem: a traced run of given gradients, and a race with the best learning rate for each.

In a race every rule has its own defaults but for weight decay, which is off, and its learning rate, which is the best of a grid by
the loss at the end: a race with one learning rate for all says more about that rate than about the rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bursar.theory.problems import Problem
from bursar.theory.updates import rule
from bursar.theory.updates.rule import Array, Rule, State, Stepped

GRID = tuple(10.0 ** (power / 2) for power in range(-8, 3))
LOST = 1e12  # a loss beyond which a run has diverged


class Traced(NamedTuple):
    """A step: its number, its gradient, where it led, the largest change over the learning rate, what was on the way."""

    t: int
    gradient: Array
    theta: Array
    over_lr: float
    trace: Mapping[str, Any]


class Run(NamedTuple):
    """A run of a race: the best learning rate of the grid, the loss at its end, the loss after every step from the start on."""

    name: str
    lr: float
    final: float
    losses: tuple[float, ...]
    steps_to: int | None  # steps until the loss was a thousandth of that at the start


def trace(chosen: Rule, theta: Array, gradients: Sequence[Array], settings: Mapping[str, Any]) -> Iterator[tuple[Traced, State]]:
    """Step by step with given gradients. Sophia's estimate of the Hessian's diagonal is the gradient's square."""
    state, lr = chosen.start(theta), float(settings.get("lr", chosen.settings["lr"]))
    for t, gradient in enumerate(gradients, 1):
        extra = {"curvature": gradient * gradient} if chosen.takes_curvature else {}
        with np.errstate(all="ignore"):  # ε = 0 may divide zero by zero, which the trace shows
            after = chosen.step(theta, gradient, state, t, **settings, **extra)
        change = float(np.max(np.abs(after.theta - theta))) / lr if lr else math.nan
        theta, state = after.theta, after.state
        yield Traced(t, gradient, theta, change, after.trace), state


def race(
    names: Sequence[str], problem: Problem, steps: int, *, noise: float = 0.0, seed: int = 0, lrs: Sequence[float] = GRID
) -> list[Run]:
    """Every optimizer on a problem, the best at the end first. `noise` is the standard deviation of what is added to gradients."""
    runs = [min([run(name, problem, steps, lr, noise, seed) for lr in lrs], key=lambda one: one.final) for name in names]
    return sorted(runs, key=lambda one: one.final)


def run(name: str, problem: Problem, steps: int, lr: float, noise: float = 0.0, seed: int = 0) -> Run:
    """One optimizer with one learning rate; a loss that is no number or beyond all bounds ends the run as infinite."""
    chosen, draw = rule(name), np.random.default_rng(seed)
    settings = {"lr": lr, **({"weight_decay": 0.0} if "weight_decay" in chosen.settings else {})}
    theta, losses = problem.start, [problem.loss(problem.start)]
    state = chosen.start(theta)
    for t in range(1, steps + 1):
        gradient = problem.gradient(theta) + (noise * draw.standard_normal(theta.shape) if noise else 0)
        extra = {"curvature": problem.curvature(theta)} if chosen.takes_curvature else {}
        with np.errstate(all="ignore"):
            after: Stepped = chosen.step(theta, gradient, state, t, **settings, **extra)
            theta, state = after.theta, after.state
            losses.append(problem.loss(theta))
        if not losses[-1] < LOST:
            return Run(name, lr, math.inf, tuple(losses[:-1]), None)
    reached = next((t for t, loss in enumerate(losses) if loss <= losses[0] / 1000), None)
    return Run(name, lr, losses[-1], tuple(losses), reached)
