"""What checks of a call give, what they compare with, and how a right call is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from bursar.theory.initialization.drawn import Case

SAME = 0.01  # relative difference of what are taken for the same number
FACTOR = 2.0  # of a layer's variance, beyond which a call is off

Numbers: TypeAlias = Mapping[str, Any]  # of the words that are said of a finding
Found: TypeAlias = tuple[Numbers, str] | None  # the numbers of what is wrong and the call that is right, or nothing


def normal_call(case: Case, variance: float) -> str:
    """A normal of a variance, made as the call makes it."""
    std = f"{math.sqrt(variance):.6g}"
    return f"torch.randn({', '.join(map(str, case.shape))}) * {std}" if case.draw.makes and case.shape else f"normal_(w, std={std})"


def uniform_call(variance: float) -> str:
    limit = f"{math.sqrt(3 * variance):.6g}"
    return f"uniform_(w, -{limit}, {limit})"


def cut_call(std: float, sigmas: float) -> str:
    return f"trunc_normal_(w, std={std:.6g}, a={-sigmas * std:.6g}, b={sigmas * std:.6g})"


def near(left: float, right: float) -> bool:
    return abs(left - right) <= SAME * abs(right)


def rules(fan: float) -> tuple[float, float]:
    """LeCun's variance and He's."""
    return 1 / fan, 2 / fan


def keeps(case: Case, variance: float) -> bool:
    """Whether a variance is that of a rule of the right fans."""
    fan_in, fan_out = case.found
    known = [*rules(fan_in), case.wanted, *([2 / (fan_in + fan_out)] if fan_out else [])]
    return any(near(variance, rule) for rule in known)
