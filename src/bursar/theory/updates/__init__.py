"""Update rules as reference implementations: what every optimizer of the table computes, one small pure function each.

The table in `bursar.optimizers` says what an optimizer keeps and costs; the rule here makes exactly those states.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bursar.errors import UnknownNameError
from bursar.theory.updates import adaptive, matrices, steepest
from bursar.theory.updates.eight_bits import EightBits
from bursar.theory.updates.rule import Rule, zeros

_MOMENTS = zeros("exp_avg", "exp_avg_sq")
_WIDE, _NARROW = EightBits(2048), EightBits(256)

RULES: Mapping[str, Rule] = MappingProxyType({
    rule.name: rule
    for rule in (
        Rule("sgd", zeros(), steepest.sgd),
        Rule("momentum", zeros("momentum"), steepest.momentum),
        Rule("nesterov", zeros("momentum"), steepest.nesterov),
        Rule("rmsprop", zeros("square_avg"), adaptive.rmsprop),
        Rule("adagrad", zeros("sum"), adaptive.adagrad),
        Rule("adam", _MOMENTS, adaptive.adam),
        Rule("adamw", _MOMENTS, adaptive.adamw),
        Rule("amsgrad", zeros("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), adaptive.amsgrad),
        Rule("lamb", _MOMENTS, adaptive.lamb),
        Rule("lars", zeros("momentum"), steepest.lars),
        Rule("lion", zeros("exp_avg"), steepest.lion),
        Rule("adafactor", matrices.start_adafactor, matrices.adafactor),
        Rule("muon", matrices.start_muon, matrices.muon),
        Rule("shampoo", matrices.start_shampoo, matrices.shampoo),
        Rule("soap", matrices.start_soap, matrices.soap),
        Rule("sophia", zeros("exp_avg", "hessian"), adaptive.sophia),
        Rule("adamw-8bit", _WIDE.start, _WIDE.step),
        Rule("adamw-8bit-256", _NARROW.start, _NARROW.step),
        Rule("paged-adamw", _MOMENTS, adaptive.adamw),  # pages say where states are, not what they are
        Rule("paged-adamw-8bit", _NARROW.start, _NARROW.step),
        Rule("schedule-free", adaptive.start_schedule_free, adaptive.schedule_free),
    )
})  # fmt: skip


def rule(name: str) -> Rule:
    """The update rule of an optimizer."""
    if name not in RULES:
        raise UnknownNameError("optimizer", name, RULES)
    return RULES[name]
