"""Activation functions with their derivatives. A derivative says what it is read from: the input x, or the result y."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from bursar.errors import UnknownNameError
from bursar.theory.values import Array

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Function(NamedTuple):
    """σ and σ′ element by element; `of` is "x" or "y", what σ′ is computed from."""

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    of: str
    text: str
    derivative_text: str


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(−x)), without overflow on either side."""
    small: Array = np.exp(-np.abs(x))
    found: Array = np.where(x >= 0, 1.0, small) / (1 + small)
    return found


def _normal(x: Array) -> tuple[Array, Array]:
    """Distribution Φ and density φ of the standard normal."""
    return (1 + _erf(x / math.sqrt(2))) / 2, np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _gelu_derivative(x: Array) -> Array:
    below, density = _normal(x)
    found: Array = below + x * density
    return found


def _silu_derivative(x: Array) -> Array:
    found: Array = sigmoid(x) * (1 + x * (1 - sigmoid(x)))
    return found


FUNCTIONS: Mapping[str, Function] = MappingProxyType({
    function.name: function
    for function in (
        Function("identity", lambda x: x, lambda y: y * 0 + 1, "y", "x", "1"),
        Function("relu", lambda x: np.maximum(x, 0), lambda y: np.where(y > 0, 1, 0), "y", "max(x, 0)", "[y > 0]"),
        Function("tanh", np.tanh, lambda y: 1 - y * y, "y", "tanh(x)", "1 − y²"),
        Function("sigmoid", sigmoid, lambda y: y * (1 - y), "y", "1/(1 + exp(−x))", "y·(1 − y)"),
        Function("gelu", lambda x: x * _normal(x)[0], _gelu_derivative, "x", "x·Φ(x)", "Φ(x) + x·φ(x)"),
        Function("silu", lambda x: x * sigmoid(x), _silu_derivative, "x", "x·s(x), s = 1/(1 + exp(−x))", "s(x)·(1 + x·(1 − s(x)))"),
    )
})  # fmt: skip


def function(name: str) -> Function:
    """An activation function by name."""
    if name not in FUNCTIONS:
        raise UnknownNameError("activation", name, FUNCTIONS)
    return FUNCTIONS[name]
