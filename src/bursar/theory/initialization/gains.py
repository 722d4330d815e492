"""The gain of an activation: by how much weights are widened to make good what it takes of the second moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

SLOPE = 0.01  # of a leaky ReLU below zero, where none is given

# the squares of torch.nn.init.calculate_gain, from the slope; what it lacks is computed
CUSTOMARY: Mapping[str, Callable[[float], float | Fraction]] = {
    "linear": lambda slope: 1,
    "sigmoid": lambda slope: 1,
    "tanh": lambda slope: Fraction(25, 9),
    "relu": lambda slope: 2,
    "leaky_relu": lambda slope: 2 / (1 + slope**2),
    "selu": lambda slope: Fraction(9, 16),
}


def gain_squared(name: str, slope: float | None = None) -> float:
    """The square of the customary gain, or, where there is none, of the exact one. Raises UnknownNameError."""
    if name in CUSTOMARY:
        return float(CUSTOMARY[name](SLOPE if slope is None else slope))
    return exact_gain_squared(name, slope)


def exact_gain_squared(name: str, slope: float | None = None) -> float:
    """1/E φ(z)² for z ~ N(0, 1), by an integral. Raises UnknownNameError."""
    from bursar.theory.initialization import activations

    return activations.exact_gain_squared(activations.activation(name, slope))


def gain(name: str, slope: float | None = None) -> float:
    """The customary gain, as calculate_gain gives it, or the exact one."""
    return math.sqrt(gain_squared(name, slope))
