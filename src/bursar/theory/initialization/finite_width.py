"""The same prediction for finite widths, to first order in 1/width, for chains of layers with normal weights.

Given its input, a layer's sums are independent and normal with one variance q = Var w · |x|². So q goes from layer to layer as a
Markov chain, whose mean and variance follow from derivatives of the integrals (the forward half). Backward, the weights are known
along x, since W·x = y, and fresh across it:

    g = x·(y·δ)/|x|² + fresh,   E|g|² = Var w · ((n − 1)·|δ|² + (y·δ)²/q),   δ = φ′(y)·g of the layer above.

So E|δ|² and E(y·δ)² of a layer are linear in those of the layer above; what varies with q adds its second derivative times half its
variance. Exact for linear and (leaky) ReLU networks, of which only the mean of φ has such a term.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bursar.theory.initialization.activations import Array, quadrature
from bursar.theory.initialization.network import Layer, Network


class Jet(NamedTuple):
    """A function of q at a point: its value and two derivatives."""

    value: float
    first: float
    second: float

    def after(self, inner: Jet) -> Jet:
        """This function of that one."""
        return Jet(self.value, self.first * inner.first, self.second * inner.first**2 + self.first * inner.second)

    def times(self, other: Jet) -> Jet:
        mixed = self.second * other.value + 2 * self.first * other.first + self.value * other.second
        return Jet(self.value * other.value, self.first * other.value + self.value * other.first, mixed)

    def scaled(self, by: float) -> Jet:
        return Jet(by * self.value, by * self.first, by * self.second)

    def shifted(self, mean: float, variance: float) -> float:
        """Its mean where q has that mean, less the point, and that variance."""
        return self.value + self.first * mean + self.second * variance / 2


class Sums(NamedTuple):
    """A layer at the limit's q, and what q does around it; integrals over y ~ N(0, q) with x = φ(y) and d = φ′(y): E x, E x², E d²
    as functions of q, then E x⁴, E x²d², E xdy and E y²d²."""

    fan_in: int
    units: int
    weight: float
    q: float
    shift: float
    spread: float
    x: Jet
    xx: Jet
    dd: Jet
    fourth: float
    both: float
    along: float
    yydd: float

    @property
    def x_square_variance(self) -> float:
        return self.fourth - self.xx.value**2

    @property
    def together(self) -> float:
        """Covariance of x² and d²."""
        return self.both - self.xx.value * self.dd.value


def expectation(values: Array, q: float) -> Jet:
    """Of f(y) at the nodes: dE/dq = E (z² − 1)f / 2q and d²E/dq² = E (z⁴ − 6z² + 3)f / 4q², as the normal density obeys the heat
    equation."""
    z, weights = quadrature()
    weighted = weights * values
    first = float(weighted @ (z**2 - 1)) / (2 * q)
    return Jet(float(weighted.sum()), first, float(weighted @ (z**4 - 6 * z**2 + 3)) / (4 * q**2))


def _sums(of: Network, fan_in: int, units: int, weight: float, q: float, shift: float, spread: float) -> Sums:
    z, weights = quadrature()
    y = np.sqrt(q) * z
    x, d = of.activation.value(y), of.activation.slope(y)
    fourth, both, along, yydd = (np.array([x**4, (x * d) ** 2, x * d * y, (y * d) ** 2]) @ weights).tolist()
    of_x, xx, dd = [expectation(values, q) for values in (x, x**2, d**2)]
    return Sums(fan_in, units, weight, q, shift, spread, of_x, xx, dd, fourth, both, along, yydd)


def _forward(of: Network, moment: float) -> list[Sums]:
    """Every layer with the mean and the variance of its q. The input is normal, so |x|²/n varies by 2/n of its square."""
    n = of.sizes[0]
    q = n * of.variances[0] * moment
    shift, spread = 0.0, 2 * q**2 / n
    found = []
    for index, weight in enumerate(of.variances):
        fan_in, units = of.sizes[index : index + 2]
        here = _sums(of, fan_in, units, weight, q, shift, spread)
        found.append(here)
        if index + 1 < of.depth:
            scale = of.variances[index + 1] * units
            q = scale * here.xx.value
            shift, spread = (
                scale * (here.xx.shifted(shift, spread) - here.xx.value),
                scale**2 * (here.x_square_variance / units + here.xx.first**2 * spread),
            )
    return found


class Back(NamedTuple):
    """E|δ|² as a function of q without terms in 1/width, what these add, and E(y·δ)²."""

    square: Jet
    added: float
    along: float


def _last(here: Sums, gradient: float) -> Back:
    return Back(here.dd.scaled(here.units * gradient), 0.0, here.units * here.yydd * gradient)


def _back(here: Sums, above: Sums, of_above: Back) -> Back:
    """From the layer above, whose q is Var w times |x|² of this one."""
    n, weight = here.units, above.weight
    length = n * here.xx.value
    square = here.dd.scaled(n * weight).times(of_above.square.after(here.xx.scaled(weight * n)))
    varies = n * here.dd.value * of_above.square.second / 2 * weight**2 * n * here.x_square_variance
    together = of_above.square.first * weight * n * here.together
    known = n * here.both * (of_above.along / length**2 - weight * of_above.square.value / length)
    along = (n * here.along / length) ** 2 * (of_above.along - weight * of_above.square.value * length)
    return Back(
        square,
        n * here.dd.value * weight * of_above.added + weight * (varies + together) + known,
        along + weight * of_above.square.value * n * here.yydd,
    )


def predicted(of: Network, input_moment: float = 1.0, output_gradient: float = 1.0) -> tuple[Layer, ...]:
    """As `propagation.predicted`, with the terms in 1/width. Weights, the input and the output's gradient are normal."""
    sums = _forward(of, input_moment)
    back = [_last(sums[-1], output_gradient)]
    for here, above in zip(reversed(sums[:-1]), reversed(sums[1:]), strict=True):
        back.append(_back(here, above, back[-1]))
    return tuple([_layer(here, found) for here, found in zip(sums, reversed(back), strict=True)])


def _layer(here: Sums, back: Back) -> Layer:
    at_sums = back.square.shifted(here.shift, here.spread) + back.added
    gradient = here.weight * ((1 - 1 / here.fan_in) * at_sums + back.along / (here.fan_in * here.q))
    return Layer(
        here.q + here.shift,
        here.x.shifted(here.shift, here.spread),
        here.xx.shifted(here.shift, here.spread),
        at_sums / here.units,
        gradient,
    )
