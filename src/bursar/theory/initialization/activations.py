"""Activations, and what they leave of a normal distribution: E φ(z), E φ(z)² and E φ′(z)² for z ~ N(0, q).

The integrals run over panels that halve towards 0, with Gauss–Legendre nodes in each: a kink at 0 lies between two panels, and a
function that turns within 1/√q of 0, as tanh does where q is large, is still resolved. Gauss–Hermite loses its digits in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from bursar.errors import UnknownNameError

Array: TypeAlias = Any  # of float64
Function: TypeAlias = Callable[[Array], Array]

REACH = 12.0  # beyond 12 sigmas lie 4e-33 of a normal distribution
HALVINGS = 40  # panels on each side of 0
NODES = 20  # in each panel
FEW = 10_000  # points
GRID = 2**17  # steps of the table of Φ, whose linear interpolation is off by at most step²/8·max|Φ″| = 4.2e-9·0.25
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # the fixed point of mean 0 and variance 1
GELU_TANH = math.sqrt(2 / math.pi), 0.044715


class Activation(NamedTuple):
    """An activation with its derivative, both of arrays; at a kink the derivative is that from below."""

    value: Function
    slope: Function


@lru_cache(maxsize=1)
def _normal_table() -> tuple[Array, Array]:
    points = np.linspace(-REACH, REACH, GRID + 1)
    return points, np.array([0.5 * math.erfc(-point / math.sqrt(2)) for point in points])


def _cdf(z: Array) -> Array:
    """Φ(z): to rounding for as many points as an integral has, off by less than 1e-8 for those of a measurement."""
    if z.size <= FEW:
        return np.array([0.5 * math.erfc(-point / math.sqrt(2)) for point in z.ravel()]).reshape(z.shape)
    points, values = _normal_table()
    return np.interp(z, points, values)


def _density(z: Array) -> Array:
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(z / 2))


def _softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def _exponential(z: Array) -> Array:
    """exp(z) below 0, without overflow above."""
    return np.exp(np.minimum(z, 0.0))


def _gelu_tanh(z: Array) -> Array:
    scale, cubic = GELU_TANH
    return 0.5 * z * (1 + np.tanh(scale * (z + cubic * z**3)))


def _gelu_tanh_slope(z: Array) -> Array:
    scale, cubic = GELU_TANH
    turned = np.tanh(scale * (z + cubic * z**3))
    return 0.5 * (1 + turned) + 0.5 * z * (1 - turned**2) * scale * (1 + 3 * cubic * z**2)


def _mish_slope(z: Array) -> Array:
    turned = np.tanh(_softplus(z))
    return turned + z * _sigmoid(z) * (1 - turned**2)


def leaky_relu(slope: float) -> Activation:
    """max(z, 0) + slope·min(z, 0)."""
    return Activation(lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1.0, slope))


ACTIVATIONS: Mapping[str, Activation] = {
    "linear": Activation(lambda z: z, np.ones_like),
    "relu": leaky_relu(0.0),
    "leaky_relu": leaky_relu(0.01),
    "relu2": Activation(lambda z: np.maximum(z, 0.0) ** 2, lambda z: 2 * np.maximum(z, 0.0)),
    "gelu": Activation(lambda z: z * _cdf(z), lambda z: _cdf(z) + z * _density(z)),
    "gelu_tanh": Activation(_gelu_tanh, _gelu_tanh_slope),
    "silu": Activation(lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * (1 - _sigmoid(z)))),
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": Activation(_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "softplus": Activation(_softplus, _sigmoid),
    "elu": Activation(lambda z: np.where(z > 0, z, _exponential(z) - 1), _exponential),
    "selu": Activation(
        lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * (_exponential(z) - 1)),
        lambda z: SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * _exponential(z)),
    ),
    "mish": Activation(lambda z: z * np.tanh(_softplus(z)), _mish_slope),
}


def activation(name: str, slope: float | None = None) -> Activation:
    """An activation by name; `slope` is that of a leaky ReLU below 0. Raises UnknownNameError."""
    if name not in ACTIVATIONS:
        raise UnknownNameError("activation", name, ACTIVATIONS)
    return leaky_relu(slope) if name == "leaky_relu" and slope is not None else ACTIVATIONS[name]


@lru_cache(maxsize=1)
def quadrature() -> tuple[Array, Array]:
    """Nodes of a standard normal distribution, and their weights, which add up to 1."""
    edges = np.concatenate([[0.0], REACH * 0.5 ** np.arange(HALVINGS, -1, -1)])
    places, shares = np.polynomial.legendre.leggauss(NODES)
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    right = (middle[:, None] + half[:, None] * places).ravel()
    weights = (half[:, None] * shares).ravel() * _density(right)
    return np.concatenate([-right[::-1], right]), np.concatenate([weights[::-1], weights])


def expected(function: Function, q: float) -> float:
    """E f(z) for z ~ N(0, q)."""
    nodes, weights = quadrature()
    return float(weights @ function(math.sqrt(q) * nodes))


class Moments(NamedTuple):
    """Of φ(z) and φ′(z) for z ~ N(0, q)."""

    mean: float
    second_moment: float
    slope_second_moment: float

    @property
    def variance(self) -> float:
        return self.second_moment - self.mean**2


def moments(of: Activation, q: float) -> Moments:
    """What an activation leaves of N(0, q), and what it leaves of a gradient on the way back."""
    return Moments(expected(of.value, q), expected(lambda z: of.value(z) ** 2, q), expected(lambda z: of.slope(z) ** 2, q))


def exact_gain_squared(of: Activation) -> float:
    """1/E φ(z)² for z ~ N(0, 1): with gain²/fan_in the next layer's sums have the variance 1 again."""
    return 1 / expected(lambda z: of.value(z) ** 2, 1.0)
