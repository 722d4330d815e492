"""What a call really draws: the mean and the variance of its weights, with fans as torch.nn.init counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bursar.errors import PlanError
from bursar.theory.initialization.calls import Draw
from bursar.theory.initialization.fans import Fans, torch_fans
from bursar.theory.initialization.gains import exact_gain_squared, gain_squared
from bursar.theory.initialization.truncation import truncated


class Distribution(NamedTuple):
    mean: float
    variance: float


class Case(NamedTuple):
    """A call with what is known of its weight."""

    draw: Draw
    shape: tuple[int, ...] | None
    layout: str
    groups: int
    found: Fans
    nonlinearity: str
    slope: float | None
    depth: int | None
    branch: bool
    drawn: Distribution | None

    @property
    def wanted(self) -> float:
        """The variance that keeps the second moment; of a projection into the residual stream, over its 2L branches."""
        rule = exact_gain_squared(self.nonlinearity, self.slope) / float(self.found.fan_in)
        return rule / (2 * self.depth) if self.branch and self.depth else rule

    @property
    def std(self) -> float:
        return math.sqrt(self.drawn.variance) if self.drawn else math.nan

    def sigma(self) -> float:
        """Standard deviation of a normal that the call names, with the factor on it."""
        return self.draw.number("std") * (self.draw.scale if self.draw.scale is not None else math.nan)


def distribution(case: Case) -> Distribution | None:
    """Mean and variance of the weights; None where they are not drawn, or the factor on them is not known. PlanError where they
    have no spread, or one that no float holds."""
    draw = case.draw
    if draw.scale is None or draw.kind not in DRAWN:
        return None
    of = DRAWN[draw.kind](case)
    if of is None:
        return None
    found = Distribution(draw.scale * of.mean, draw.scale**2 * of.variance)
    if not (0 < found.variance < math.inf and math.isfinite(found.mean)):
        raise PlanError(f"the weights would have variance {found.variance:g}", field="call", valid="above zero, and finite")
    return found


def as_torch_counts(case: Case) -> Fans | None:
    """Fans as torch.nn.init counts them, None where it raises."""
    if case.shape is None:
        return case.found if case.found.fan_in and case.found.fan_out else None
    return torch_fans(case.shape) if len(case.shape) > 1 else None


def _xavier(case: Case) -> Distribution | None:
    counted = as_torch_counts(case)
    return counted and Distribution(0.0, 2 * case.draw.number("gain") ** 2 / (counted.fan_in + counted.fan_out))


def _kaiming(case: Case) -> Distribution | None:
    counted = as_torch_counts(case)
    if counted is None:
        return None
    fan = counted.fan_out if case.draw.arguments["mode"] == "fan_out" else counted.fan_in
    return Distribution(0.0, kaiming_gain_squared(case.draw) / fan)


def kaiming_gain_squared(draw: Draw) -> float:
    """calculate_gain(nonlinearity, a)²: a counts for leaky_relu alone."""
    return gain_squared(str(draw.arguments["nonlinearity"]), draw.number("a"))


def _orthogonal(case: Case) -> Distribution | None:
    if case.shape is None or len(case.shape) < 2:
        return None
    rows = case.shape[0]
    return Distribution(0.0, case.draw.number("gain") ** 2 / max(rows, math.prod(case.shape) // rows))


def _uniform(case: Case) -> Distribution:
    a, b = case.draw.number("a"), case.draw.number("b")
    if a >= b:
        raise PlanError(f"nothing lies between {a:g} and {b:g}", field="call", value=b, valid="a < b")
    return Distribution((a + b) / 2, (b - a) ** 2 / 12)


def cut(case: Case) -> Distribution:
    draw = case.draw
    of = truncated(draw.number("std"), draw.number("a"), draw.number("b"), draw.number("mean"))
    return Distribution(of.mean, of.variance)


DRAWN: Mapping[str, Callable[[Case], Distribution | None]] = {
    "normal": lambda case: Distribution(case.draw.number("mean"), case.draw.number("std") ** 2),
    "uniform": _uniform,
    "trunc_normal": cut,
    "xavier": _xavier,
    "kaiming": _kaiming,
    "orthogonal": _orthogonal,
}
