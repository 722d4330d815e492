"""Which rule of thumb a stated number of bytes follows: the bytes of a parameter under every assumption that people make.

The rules differ by what they count: weights alone or what training holds, a master copy or none, gradients of two bytes or of four,
and two slips, a second copy of weights that are FP32 already and activations taken as a multiple of the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bursar.plan import Plan
from bursar.questions.static import Static, static

NEAR = 0.05  # a stated number is rounded to about two digits


class Rule(NamedTuple):
    """A rule of thumb: the plan whose states it counts (with AdamW), which of them, and what it adds as so many more copies of the
    weights, by name."""

    name: str
    precision: str
    gradients: str | None = None
    parts: tuple[str, ...] = Static._fields
    more: tuple[str, ...] = ()


RULES = (
    Rule("weights_16", "bf16", parts=("weights",)),
    Rule("weights_32", "fp32", parts=("weights",)),
    Rule("gradients_16", "bf16", parts=("weights", "gradients")),
    Rule("no_master", "bf16-pure"),
    Rule("no_master_wide", "bf16-pure", "fp32"),
    Rule("mixed", "bf16"),
    Rule("single", "fp32"),
    Rule("mixed_wide", "bf16", "fp32"),
    Rule("mixed_activations", "bf16", more=("activations",)),
    Rule("second_copy", "fp32", more=("second_copy",)),
    Rule("second_copy_activations", "fp32", more=("second_copy", "activations")),
)


class Reading(NamedTuple):
    """A rule applied: bytes of a parameter term by term, all bytes, and how far these are from what was stated (relatively)."""

    rule: str
    terms: Mapping[str, float]
    per_param: float
    bytes: int
    difference: float

    @property
    def near(self) -> bool:
        return abs(self.difference) <= NEAR


def readings(params: int, stated: float) -> tuple[Reading, ...]:
    """Every rule for so many parameters, the nearest to the stated bytes first; those that are equally near in their order."""
    found = [_reading(rule, params, stated) for rule in RULES]
    return tuple(sorted(found, key=lambda reading: abs(reading.difference)))


def _reading(rule: Rule, params: int, stated: float) -> Reading:
    held = static(params, Plan(precision=rule.precision, grad_dtype=rule.gradients))
    terms = {name: value for name, value in held._asdict().items() if name in rule.parts and value}
    terms |= dict.fromkeys(rule.more, held.weights)
    total = sum(terms.values())
    return Reading(rule.name, {name: value / params for name, value in terms.items()}, total / params, total, stated / total - 1)
