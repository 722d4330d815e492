"""Networks of real matrices, drawn and run many times, to measure what `propagation` predicts.

A network with fixed weights departs from the mean over networks however many inputs it reads, so a measurement draws `networks` of
them and gives each its share of the samples. The standard error is that of the mean over networks: their spread over √networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bursar.errors import PlanError
from bursar.theory.initialization.activations import Array
from bursar.theory.initialization.network import Layer, Network
from bursar.theory.initialization.truncation import kept

BLOCK = 2**21  # numbers that an array of inputs holds at a time
WORK = 1e12  # FLOP that one measurement may take
WEIGHTS = 50_000_000  # that a network may have
OVERHEAD = 200_000  # FLOP in the time that a matrix takes to be drawn and called for


def _normal(draw: np.random.Generator, shape: tuple[int, int], std: float) -> Array:
    return draw.normal(0.0, std, shape)


def _uniform(draw: np.random.Generator, shape: tuple[int, int], std: float) -> Array:
    limit = math.sqrt(3) * std
    return draw.uniform(-limit, limit, shape)


def _truncated(draw: np.random.Generator, shape: tuple[int, int], std: float, sigmas: float = 2.0) -> Array:
    """A normal cut at ±2 sigmas and widened to have the wanted deviation, as JAX and TensorFlow draw it."""
    found = draw.normal(size=shape)
    while (far := np.abs(found) > sigmas).any():
        found[far] = draw.normal(size=int(far.sum()))
    return found * (std / math.sqrt(kept(sigmas)))


def _orthogonal(draw: np.random.Generator, shape: tuple[int, int], std: float) -> Array:
    """Orthonormal columns or rows, whichever are fewer; signs made even, so that every such matrix is as likely."""
    tall = draw.normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))
    return (q if shape[0] >= shape[1] else q.T) * (std * math.sqrt(max(shape)))


DRAWS: Mapping[str, Callable[[np.random.Generator, tuple[int, int], float], Array]] = {
    "normal": _normal,
    "uniform": _uniform,
    "truncated": _truncated,
    "orthogonal": _orthogonal,
}


class Measured(NamedTuple):
    """Means over all networks and their standard errors, of every layer."""

    layers: tuple[Layer, ...]
    errors: tuple[Layer, ...]


def measured(of: Network, draws: str, samples: int, networks: int, seed: int = 0) -> Measured:
    """Runs `networks` networks on at least `samples` inputs of N(0, 1) in all, forward and backward from a gradient of N(0, 1).

    Raises PlanError for fewer than two networks, fewer samples than networks, or more work than a minute's."""
    if networks < 2 or samples < networks:
        raise PlanError(
            f"{samples} samples of {networks} networks", field="networks", value=networks, valid="from 2 to the samples"
        )
    inputs = math.ceil(samples / networks)
    _affordable(of, inputs, networks)
    draw = np.random.default_rng(seed)
    found = np.array([_network(of, draws, inputs, draw) for _ in range(networks)])  # (networks, depth, quantities)
    means, errors = found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(networks)
    return Measured(_layers(means), _layers(errors))


def _affordable(of: Network, inputs: int, networks: int) -> None:
    """Refuses networks that do not fit into memory, and measurements of more than some half a minute."""
    matrices = of.depth * (2 if of.residual != "none" else 1)
    weights = matrices // of.depth * sum([a * b for a, b in pairwise(of.sizes)])
    if weights > WEIGHTS:
        raise PlanError(f"networks of {weights:,} weights", field="sizes", value=of.sizes, valid=f"at most {WEIGHTS:,} weights")
    work = networks * (4 * inputs * weights + OVERHEAD * matrices)
    if work > WORK:
        raise PlanError(f"this takes {work:.2g} FLOP", field="samples", value=inputs * networks, valid=f"at most {WORK:.0g} FLOP")


def _layers(rows: Array) -> tuple[Layer, ...]:
    return tuple([Layer(**dict(zip(Layer._fields, row.tolist(), strict=True))) for row in rows])


def _network(of: Network, draws: str, inputs: int, draw: np.random.Generator) -> Array:
    """One network's means over its inputs, in blocks that fit into memory."""
    make = DRAWS[draws]
    pairs = list(zip(of.sizes[:-1], of.sizes[1:], strict=True))
    first = [make(draw, (a, b), math.sqrt(v)) for (a, b), v in zip(pairs, of.variances, strict=True)]
    second = [make(draw, (b, a), math.sqrt(v)) for (a, b), v in zip(pairs, of.out_variances, strict=False)]
    size = max(1, min(inputs, BLOCK // max(of.sizes) // of.depth))
    total = np.zeros((of.depth, len(Layer._fields)))
    for start in range(0, inputs, size):
        rows = min(size, inputs - start)
        x = draw.normal(size=(rows, of.sizes[0]))
        g = draw.normal(size=(rows, of.sizes[-1]))
        total += rows * (_chain(of, first, x, g) if of.residual == "none" else _stream(of, first, second, x, g))
    return total / inputs


def _square(values: Array) -> float:
    return float(np.vdot(values, values)) / int(values.size)


def _chain(of: Network, weights: list[Array], x: Array, g: Array) -> Array:
    found = np.empty((of.depth, len(Layer._fields)))
    sums = []
    for index, w in enumerate(weights):
        y = x @ w
        x = of.activation.value(y)
        sums.append(y)
        found[index, :3] = _square(y), x.mean(), _square(x)
    for index in reversed(range(of.depth)):
        at_sums = of.activation.slope(sums[index]) * g
        g = at_sums @ weights[index].T
        found[index, 3:] = _square(at_sums), _square(g)
    return found


def _stream(of: Network, first: list[Array], second: list[Array], x: Array, g: Array) -> Array:
    """x' = x + φ(norm(x)·W)·U; backward through the norm, (I − n·nᵀ/width)/rms with n = norm(x)."""
    found = np.empty((of.depth, len(Layer._fields)))
    kept_for_backward = []
    for index, (w, u) in enumerate(zip(first, second, strict=True)):
        size = np.sqrt(np.mean(x * x, axis=1, keepdims=True)) if of.residual == "norm" else np.ones((len(x), 1))
        entering = x / size
        y = entering @ w
        x = x + of.activation.value(y) @ u
        kept_for_backward.append((y, entering, size))
        found[index, :3] = _square(y), x.mean(), _square(x)
    for index in reversed(range(of.depth)):
        y, entering, size = kept_for_backward[index]
        at_sums = of.activation.slope(y) * (g @ second[index].T)
        back = at_sums @ first[index].T
        if of.residual == "norm":
            back = (back - entering * np.mean(entering * back, axis=1, keepdims=True)) / size
        g = g + back
        found[index, 3:] = _square(at_sums), _square(g)
    return found
