"""The registry of formulas.

A cost formula says what it counts, in which unit, and where it comes from. The decorator attaches that and nothing
else: it does not wrap the call. `FORMULAS` lets one test prove that the three readings of every formula agree, and
lets the ledger name the code and the source behind each number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Formula(NamedTuple):
    """A registered formula: its qualified name, what it counts, and its source (an id in `data/sources.toml`)."""

    function: Callable[..., Any]
    name: str
    quantity: str
    unit: str
    source: str


FORMULAS: dict[str, Formula] = {}


def formula(quantity: str, unit: str, source: str = "definition") -> Callable[[F], F]:
    """Register a function or method as the formula of a quantity."""

    def register(function: F) -> F:
        name = f"{function.__module__.removeprefix('bursar.')}.{function.__qualname__}"
        FORMULAS[name] = Formula(function, name, quantity, unit, source)
        return function

    return register


def formula_of(function: Callable[..., Any]) -> Formula | None:
    """The registration of a function or bound method, if it is a formula."""
    function = getattr(function, "__func__", function)
    return FORMULAS.get(f"{function.__module__.removeprefix('bursar.')}.{function.__qualname__}")
