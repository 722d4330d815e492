"""The derivations of scaling laws as steps: each an equation that follows from the one before."""

from __future__ import annotations

from bursar.explain.step import Explained, Step
from bursar.scaling import derive

DEFAULT = "frontier"


def derivation(name: str | None) -> Explained:
    """A derivation by name, its equations in order; the value of a step is its last number, where it has numbers."""
    found = derive.steps(name or DEFAULT)
    steps = tuple([_step(one) for one in found])
    last = steps[-1]
    return Explained(Step(name or DEFAULT, last.formula, last.value, "1", "explain_scaling", source=last.source, steps=steps), {})


def _step(one: derive.Step) -> Step:
    value = list(one.values.values())[-1] if one.values else None
    return Step(one.key, one.equation, value, "1", f"derive_{one.key}", source=one.source, facts=dict(one.values))
