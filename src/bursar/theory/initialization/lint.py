"""What is wrong in an initialization call: every finding with its numbers and the call that is right.

A finding compares what the call draws with what keeps the variance: gain²/fan_in, where gain² is one over what the activation
leaves of a second moment of 1. How torch counts fans is followed, right or wrong for the weight at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar.errors import PlanError
from bursar.theory.initialization.activations import activation
from bursar.theory.initialization.calls import read
from bursar.theory.initialization.checks import CHECKS, EXPLAIN_SCALE, SYMPTOMS
from bursar.theory.initialization.drawn import Case, distribution
from bursar.theory.initialization.fans import Fans, fans
from bursar.theory.initialization.right import Numbers


class Finding(NamedTuple):
    """What is wrong: its kind, which words are said of, the numbers in them, and the right call."""

    kind: str
    numbers: Numbers
    right: str


def lint(
    text: str, *, shape: tuple[int, ...] | None = None, layout: str = "torch", groups: int = 1, known: Fans | None = None,
    nonlinearity: str = "linear", slope: float | None = None, depth: int | None = None, branch: bool = False,
) -> tuple[Case, tuple[Finding, ...]]:  # fmt: skip
    """The findings of a call, for a weight of a shape in a layout, or of known fans. Raises PlanError where the call cannot be
    read, or its weight's size is not known."""
    draw = read(text, shape)
    size = shape or draw.shape
    if size is None and (known is None or known.fan_in is None):
        raise PlanError(
            "the size of the weight is not known", field="shape", valid="--shape 4096x1024 with --weight-layout, or --fan-in N"
        )
    if shape and draw.shape and shape != draw.shape:
        raise PlanError(
            f"the call makes {draw.shape}, not {shape}", field="shape", value=shape, valid="the same sizes, or no --shape"
        )
    at = fans(size, layout, groups) if size is not None and len(size) > 1 else known or Fans(size[-1] if size else 1, 1)
    activation(nonlinearity, slope)
    case = Case(draw, size, layout, groups, at, nonlinearity, slope, depth, branch, None)
    try:
        case = case._replace(drawn=distribution(case))
        return case, tuple(_findings(case))
    except ArithmeticError:
        raise PlanError(
            "a number of the call is too large or too small", field="call", valid="weights that a float holds"
        ) from None


def _findings(case: Case) -> Iterator[Finding]:
    """Causes first; that the variance is off is said where no cause is found."""
    scaled = False
    for kind, check in CHECKS.items():
        if kind in SYMPTOMS and scaled:
            continue
        found = check(case)
        if found is not None:
            scaled = scaled or kind in EXPLAIN_SCALE
            yield Finding(kind, *found)
