"""The normal distribution between two bounds: what is left of its mean and its variance.

torch.nn.init.trunc_normal_ and jax.random.truncated_normal cut at values. In sigmas those are (bound − mean) / std: ±3 around a
standard deviation of 1/128 are 384 sigmas, which cut nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bursar.errors import PlanError


class Truncated(NamedTuple):
    """A normal distribution of `std` around `mean`, cut at `low` and `high`: bounds in sigmas, the share of the whole that lies
    between them, and the mean and the variance of what is left."""

    low_sigmas: float
    high_sigmas: float
    inside: float
    mean: float
    variance: float

    @property
    def std(self) -> float:
        return math.sqrt(self.variance)


def density(z: float) -> float:
    """φ(z) of the standard normal distribution."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def within(low: float, high: float) -> float:
    """Share of the standard normal distribution between two points, to rounding in both tails."""
    if low > 0:
        return within(-high, -low)
    upper = math.erfc(-high / math.sqrt(2)) if high < 0 else 2 - math.erfc(high / math.sqrt(2))
    return (upper - math.erfc(-low / math.sqrt(2))) / 2


def truncated(std: float, low: float, high: float, mean: float = 0.0) -> Truncated:
    """Mean μ + σ(φ(α) − φ(β))/Z and variance σ²(1 + (αφ(α) − βφ(β))/Z − ((φ(α) − φ(β))/Z)²), where α and β are the bounds in
    sigmas and Z = Φ(β) − Φ(α). PlanError where nothing lies between the bounds."""
    if not std > 0 or not low < high:
        raise PlanError(
            f"nothing lies between {low:g} and {high:g} of std {std:g}", field="b", value=high, valid="std > 0 and a < b"
        )
    a, b = (low - mean) / std, (high - mean) / std
    inside = within(a, b)
    if inside < 1e-9:  # what is left of the difference of two tails has no digits
        raise PlanError(
            f"the bounds are {a:.4g} and {b:.4g} sigmas from the mean, where nothing lies",
            field="a",
            value=low,
            valid="bounds around it",
        )
    shift = (density(a) - density(b)) / inside
    edges = (_moment(a) - _moment(b)) / inside
    return Truncated(a, b, inside, mean + std * shift, std**2 * (1 + edges - shift**2))


def _moment(z: float) -> float:
    """z·φ(z), which is 0 at both infinities."""
    return z * density(z) if math.isfinite(z) else 0.0


def kept(sigmas: float) -> float:
    """Variance of a standard normal cut at ±k: 1 − 2kφ(k)/(2Φ(k) − 1). JAX divides its std by the root of this."""
    return truncated(1.0, -sigmas, sigmas).variance
