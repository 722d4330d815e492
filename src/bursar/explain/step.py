"""One step of a derivation: what it says, its formula, its number, and the steps that it is the sum of.

A formula is an expression over letters that the operators' own cost formulas make of SymPy symbols; a value is the same formula
read with ints. Titles and reasons are keys of the reports' words, so that a step has no language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from bursar.facts import Source


class Reason(NamedTuple):
    """Why something is there: the key of a sentence, and the lines of the model that it speaks of."""

    key: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Step:
    """`name` is a path of the model, `key` a title of the words. `source` is an id of `data/sources.toml`, or what a measured
    number comes from, `place` an equation or section of it. The values of `steps` add up to `value`; `closed` is the formula
    grouped as papers print it."""

    name: str
    formula: Any
    value: Any
    unit: str
    key: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    source: str | Source = "definition"
    place: str = ""
    reasons: tuple[Reason, ...] = ()
    assumes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    closed: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "formula", _floored(self.formula))


class Explained(NamedTuple):
    """A derivation with the numbers of its letters, what the letters of a closed form stand for, and derivations beside it."""

    root: Step
    numbers: Mapping[str, Any]
    defined: Mapping[str, str] = {}
    beside: tuple[Step, ...] = ()


def _floored(formula: Any) -> Any:
    """A formula with ⌊x⌋ where it has −⌈−x⌉, as `floor_div` writes it."""
    import sympy

    found = sympy.sympify(formula)
    if not found.has(sympy.ceiling):
        return found
    down = {each: -sympy.floor(-each.args[0]) for each in found.atoms(sympy.ceiling) if each.args[0].could_extract_minus_sign()}
    return found.subs(down)


def of_layer(root: Step, model: str, layer: int) -> Step:
    """A derivation of one layer, named after it."""
    return replace(root, name=model, key="explain_layer_of", facts={**root.facts, "layer": layer})


ENDS = {"stem": "embedding", "head": "explain_head", "shared": "shared"}  # titles of what is no layer


def title(kind: str, count: int = 1) -> str:
    """The key of the title of a kind of block that is there so often."""
    return "explain_layers" if count > 1 else ENDS.get(kind, "explain_layer")


def times(count: Any, formula: Any) -> Any:
    """So many of something, its sum in brackets."""
    import sympy

    if isinstance(count, int) and count == 1:
        return formula
    return sympy.Mul(count, formula, evaluate=False) if isinstance(formula, sympy.Add) else count * formula


def total(steps: tuple[Step, ...]) -> tuple[Any, Any]:
    """The sum of steps: formula and value."""
    import sympy

    return sympy.Add(*[step.formula for step in steps]), sum([step.value for step in steps])
