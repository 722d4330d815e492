"""The closed form of what a layer keeps, grouped as papers print it: sbh(12 + 4 + 4q + 4g + 8f/h) + 8sb + 4asb + 4sd.

q = ad/h is the width of all queries over that of the residual stream, g = kd/h that of all keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy as sp

from bursar.explain import readable
from bursar.explain.letters import letter
from bursar.explain.step import Step

s, b, h, a, k, d, q, g, t = (letter(name) for name in "sbhakdqgt")
DEFINED: Mapping[Any, Any] = {q: a * d / h, g: k * d / h}


def definitions(root: Step) -> Mapping[str, str]:
    """What the letters of the closed forms of a derivation stand for."""
    used = _forms(root)
    return {
        str(name): readable.text(meaning)
        for name, meaning in DEFINED.items()
        if any(re.search(rf"[\d( ]{name}(?![_A-Za-z])", form) for form in used)
    }


def _forms(step: Step) -> list[str]:
    return [step.closed, *[found for part in step.steps for found in _forms(part)]]


def form(steps: tuple[Step, ...]) -> str:
    """The sum of some steps: what goes with sbh in one bracket, equal widths together, what norms keep apart, then the rest. Empty
    where there is nothing to group."""
    widths: dict[tuple[Any, object], Any] = {}
    rest: list[Any] = []
    for step in steps:
        width = _width(step.formula)
        if width is None:
            rest.append(step.formula)
        else:
            key = width.as_coeff_Mul()[1], step.facts.get("slot") == "norm" and _whole(width)
            widths[key] = widths.get(key, 0) + width
    if len(widths) < 2:
        return ""
    inside = " + ".join(readable.text(found) for found in sorted(widths.values(), key=_place))
    others = [readable.text(term) for term in readable.terms(sp.Add(*rest)) if term != 0]
    return " + ".join([f"sbh({inside})", *others])


def _width(formula: Any) -> Any:
    """A tensor of a width of the model for every token, over sbh; None for what has another size."""
    found = sp.sympify(formula) / (s * b * h)
    bare = found * h
    if found.is_Add or found.free_symbols & {s, b} or not all(base.is_Symbol for base, _ in readable.parts(bare)[1]):
        return None
    if not _whole(found) and bare.free_symbols <= {a, k, t}:
        return None  # a number of each token, or of each of its heads
    return found.subs({a * d: q * h, k * d: g * h})


def _whole(width: Any) -> bool:
    """Whether a width is that of the residual stream, or a rank's part of it."""
    return bool(width.free_symbols <= {t})


def _place(width: Any) -> tuple[bool, bool, bool, str]:
    """Whole widths first, then queries, then keys, then others."""
    return not _whole(width), q not in width.free_symbols, g not in width.free_symbols, readable.text(width)
