"""An update rule: from a weight, its gradient and the optimizer's state to the next weight and state, as a pure function.

`step(theta, gradient, state, t, *, lr, …)` counts t from 1; its keyword arguments with their defaults are the hyper-parameters.
Everything is computed in float64 unless the rule says otherwise.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bursar.errors import PlanError

Array: TypeAlias = NDArray[np.float64]
State: TypeAlias = Mapping[str, Any]  # arrays, or tuples of them


class Stepped(NamedTuple):
    """The next weight, the next state, and the quantities on the way by name."""

    theta: Array
    state: State
    trace: Mapping[str, Array | float]


@dataclass(frozen=True)
class Rule:
    """A rule under its optimizer's name: the state that it starts with for a weight, and its step."""

    name: str
    start: Callable[[Array], State]
    step: Callable[..., Stepped]

    @property
    def settings(self) -> dict[str, Any]:
        """The hyper-parameters and their defaults."""
        parameters = inspect.signature(self.step).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "curvature"}

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The hyper-parameters that were given (not None), refused if the rule has none of that name."""
        chosen = {name: value for name, value in given.items() if value is not None}
        for name, value in chosen.items():
            if name not in self.settings:
                raise PlanError(f"{self.name} has no {name}", field=name, value=value, valid=", ".join(self.settings))
        return chosen

    @property
    def takes_curvature(self) -> bool:
        """Whether its step needs an estimate of the Hessian's diagonal beside the gradient."""
        return "curvature" in inspect.signature(self.step).parameters


def zeros(*names: str) -> Callable[[Array], State]:
    """A state of zeros, as large as the weight, under each name."""

    def start(theta: Array) -> State:
        return {name: np.zeros_like(theta) for name in names}

    return start


def root(square: Array, eps: float, inside: bool) -> Array:
    """The denominator of an adaptive step: √v + ε, or √(v + ε)."""
    found: Array = np.sqrt(square + eps) if inside else np.sqrt(square) + eps
    return found


def norm(x: Array) -> float:
    return float(np.sqrt(np.sum(x * x)))
