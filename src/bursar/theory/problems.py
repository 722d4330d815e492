"""Standard problems that optimizers race on: a loss with its exact gradient and the diagonal of its Hessian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bursar.errors import UnknownNameError
from bursar.theory.updates.rule import Array

CONDITION, SIZE, SIDE = 1e4, 20, 12  # of the quadratics; the matrix problem is SIDE × SIDE


@dataclass(frozen=True)
class Problem:
    """A problem: where it starts, its loss, gradient and Hessian's diagonal; its lowest loss is 0."""

    name: str
    start: Array
    loss: Callable[[Array], float]
    gradient: Callable[[Array], Array]
    curvature: Callable[[Array], Array]


def rosenbrock(draw: np.random.Generator) -> Problem:
    """(1 − x)² + 100(y − x²)² from (−1.2, 1): a curved valley whose floor hardly slopes (Rosenbrock 1960)."""

    def loss(p: Array) -> float:
        return float((1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2)

    def gradient(p: Array) -> Array:
        across = p[1] - p[0] ** 2
        return np.array([-2 * (1 - p[0]) - 400 * p[0] * across, 200 * across])

    def curvature(p: Array) -> Array:
        return np.array([2 - 400 * (p[1] - 3 * p[0] ** 2), 200.0])

    return Problem("rosenbrock", np.array([-1.2, 1.0]), loss, gradient, curvature)


def diagonal(draw: np.random.Generator) -> Problem:
    """½ Σ λᵢxᵢ² with λ from 10⁻⁴ to 1, its axes those of the weights."""
    return _quadratic("diagonal", np.diag(_spectrum()), draw)


def quadratic(draw: np.random.Generator) -> Problem:
    """The same turned at random, so that no rule that scales weights one by one sees its axes."""
    turn = np.linalg.qr(draw.standard_normal((SIZE, SIZE)))[0]
    return _quadratic("quadratic", turn @ np.diag(_spectrum()) @ turn.T, draw)


def _spectrum() -> Array:
    return np.geomspace(1 / CONDITION, 1, SIZE)


def _quadratic(name: str, hessian: Array, draw: np.random.Generator) -> Problem:
    start = draw.standard_normal(SIZE)
    return Problem(
        name, start, lambda x: float(x @ hessian @ x) / 2, lambda x: hessian @ x, lambda _: np.diag(hessian).copy()
    )  # fmt: skip


def matrix(draw: np.random.Generator) -> Problem:
    """½‖A(W − W*)B‖² in a matrix W, with A and B of condition 100: what rules for matrices are made for."""
    left, right = (_conditioned(draw) for _ in range(2))
    target = draw.standard_normal((SIDE, SIDE))
    outer, inner = left.T @ left, right @ right.T

    def loss(w: Array) -> float:
        return float(np.sum((left @ (w - target) @ right) ** 2)) / 2

    def gradient(w: Array) -> Array:
        found: Array = outer @ (w - target) @ inner
        return found

    def curvature(_: Array) -> Array:
        return np.outer(np.diag(outer), np.diag(inner))

    return Problem("matrix", np.zeros((SIDE, SIDE)), loss, gradient, curvature)


def _conditioned(draw: np.random.Generator) -> Array:
    left, right = (np.linalg.qr(draw.standard_normal((SIDE, SIDE)))[0] for _ in range(2))
    found: Array = (left * np.geomspace(0.01, 1, SIDE)) @ right
    return found


PROBLEMS: Mapping[str, Callable[[np.random.Generator], Problem]] = MappingProxyType({
    "rosenbrock": rosenbrock, "quadratic": quadratic, "diagonal": diagonal, "matrix": matrix
})  # fmt: skip


def problem(name: str, seed: int = 0) -> Problem:
    """A problem by name."""
    if name not in PROBLEMS:
        raise UnknownNameError("problem", name, PROBLEMS)
    return PROBLEMS[name](np.random.default_rng(seed))
