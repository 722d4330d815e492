"""A derivation step by step: equations that SymPy made, each of the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bursar.errors import UnknownNameError


class Step(NamedTuple):
    """One equation: the key of its text, the equation, its source, and its numbers where constants were put in."""

    key: str
    equation: Any
    source: str
    values: Mapping[str, float] = {}

    @property
    def formula(self) -> str:
        return f"{self.equation.lhs} = {self.equation.rhs}"

    @property
    def latex(self) -> str:
        from sympy import latex

        return str(latex(self.equation))


Derivations = Mapping[str, Callable[[], tuple[Step, ...]]]


def steps(derivations: Derivations, name: str) -> tuple[Step, ...]:
    """A derivation by name. Raises UnknownNameError."""
    if name not in derivations:
        raise UnknownNameError("derivation", name, derivations)
    return derivations[name]()
