"""The derivations of scaling laws as steps: each an equation that follows from the one before."""

from __future__ import annotations

from bursar.explain.step import Explained, Step
from bursar.scaling.derive import DERIVATIONS
from bursar.theory import steps as theory


def derivation(name: str | None) -> Explained:
    """A derivation by name, or all of them. The formula of each is its last equation; the value of an equation is the last of its
    numbers, where it has any. Raises UnknownNameError."""
    if name is not None:
        return Explained(_derivation(name), {})
    found = tuple(map(_derivation, DERIVATIONS))
    return Explained(_root("scaling", found), {})


def _derivation(name: str) -> Step:
    return _root(name, tuple(map(_step, theory.steps(DERIVATIONS, name))))


def _root(name: str, steps: tuple[Step, ...]) -> Step:
    last = steps[-1]
    return Step(name, last.formula, last.value, "1", "explain_scaling", last.facts, last.source, steps=steps)


def _step(one: theory.Step) -> Step:
    value = list(one.values.values())[-1] if one.values else None
    return Step(one.key, one.equation, value, "1", f"derive_{one.key}", one.values, one.source)
