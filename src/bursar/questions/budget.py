"""The budget of a run: compute, devices, time and money, any of them from the others.

Every relation is written once, as a product; whatever single factor of one is missing follows by division, and so on until nothing
more follows. What is said twice must agree.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from bursar.dims import Dim
from bursar.errors import PlanError
from bursar.facts import Fact, table
from bursar.formula import formula, formula_of

Number = int | float
TOLERANCE = 1e-9
DAYS_PER_YEAR = 365.25


@formula("training FLOPs of a token by the rule of thumb", "FLOP", "kaplan-2020")
def flops_per_token(params: Dim) -> Dim:
    """One multiply-add per weight forward, and one for each of the two gradients."""
    return 6 * params


@formula("training FLOPs of a run", "FLOP")
def flops(flops_per_token: Dim, tokens: Dim) -> Dim:
    """Model FLOPs: recomputation is not in them."""
    return flops_per_token * tokens


@formula("training FLOPs that devices do", "FLOP", "palm")
def flops_done(device_seconds: Dim, peak_flop_per_s: Dim, mfu: Dim) -> Dim:
    """Model FLOPs utilization is the share of the peak that these are."""
    return device_seconds * peak_flop_per_s * mfu


@formula("training FLOPs in petaFLOP/s-days", "FLOP", "kaplan-2020")
def flops_of_days(pf_days: Dim) -> Dim:
    """10¹⁵ FLOP/s for a day."""
    return 86_400 * 10**15 * pf_days


@formula("seconds of all devices", "s")
def device_seconds(devices: Dim, seconds: Dim) -> Dim:
    """All devices from the start to the end."""
    return devices * seconds


@formula("seconds of all devices", "s")
def seconds_of_hours(device_hours: Dim) -> Dim:
    """A device-hour is what is paid for."""
    return 3600 * device_hours


@formula("seconds of a run", "s")
def seconds(days: Dim) -> Dim:
    """Days of 24 hours."""
    return 86_400 * days


@formula("price of a run", "USD")
def cost_usd(device_hours: Dim, price: Dim) -> Dim:
    """Device-hours at a price."""
    return device_hours * price


@formula("tokens of a run", "1")
def tokens(steps: Dim, batch_tokens: Dim) -> Dim:
    """Steps of so many tokens."""
    return steps * batch_tokens


@formula("tokens of a run", "1", "hoffmann-2022")
def tokens_at_ratio(params: Dim, tokens_per_param: Dim) -> Dim:
    """So many tokens for each parameter; about 20 is compute-optimal."""
    return params * tokens_per_param


def params_at_ratio(flops: Number, tokens_per_param: Number) -> Number:
    """Parameters whose budget 6ND buys so many tokens for each; C = 6·r·N² is no product that a single factor is missing of."""
    return math.sqrt(flops / flops_per_token(tokens_per_param))


class Relation(NamedTuple):
    """A quantity that is the product of others."""

    quantity: str
    function: Callable[..., Dim]

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.function).parameters)

    def value(self, known: Mapping[str, Number]) -> Number:
        found: Number = self.function(**{name: known[name] for name in self.factors})
        return found

    def missing(self, known: Mapping[str, Number]) -> list[str]:
        return [name for name in (self.quantity, *self.factors) if name not in known]

    def solved(self, wanted: str, known: Mapping[str, Number]) -> Number:
        """The quantity, or the one factor of it that is not known: it is a factor once, so the rest divides."""
        if wanted == self.quantity:
            return self.value(known)
        return _over(known[self.quantity], self.value({**known, wanted: 1}))


RELATIONS = tuple(
    Relation(quantity, function)
    for quantity, function in (
        ("flops_per_token", flops_per_token), ("tokens", tokens), ("flops", flops), ("device_seconds", device_seconds),
        ("device_seconds", seconds_of_hours), ("seconds", seconds), ("flops", flops_done), ("cost_usd", cost_usd),
        ("flops", flops_of_days), ("tokens", tokens_at_ratio),
    )
)  # fmt: skip

COUNTED = tuple(relation for relation in RELATIONS if relation.function is not flops_per_token)  # where a model's FLOPs are counted


class Solved(NamedTuple):
    """A quantity that followed from others, and by which formula."""

    quantity: str
    value: Number
    formula: str
    source: str


def solve(given: Mapping[str, Number], relations: Sequence[Relation] = RELATIONS) -> tuple[dict[str, Number], tuple[Solved, ...]]:
    """All that follows from what is given, and how.

    Raises PlanError where two things given contradict each other.
    """
    known, steps = dict(given), list[Solved]()
    if {"flops", "tokens_per_param"} <= set(known) and not {"params", "tokens"} & set(known):
        known["params"] = params_at_ratio(known["flops"], known["tokens_per_param"])
        steps.append(Solved("params", known["params"], "params = √(flops / (6 · tokens_per_param))", "hoffmann-2022"))
    used: set[Relation] = set()
    while True:
        relation = next((each for each in relations if each not in used and len(each.missing(known)) == 1), None)
        if relation is None:
            break
        used.add(relation)
        (wanted,) = relation.missing(known)
        known[wanted] = relation.solved(wanted, known)
        steps.append(_step(relation, wanted, known[wanted]))
    for relation in relations:
        if relation not in used and not relation.missing(known):
            _agree(relation, known)
    return known, tuple(steps)


def _step(relation: Relation, wanted: str, value: Number) -> Solved:
    found = formula_of(relation.function)
    assert found is not None
    return Solved(wanted, value, text(relation), found.source)


def text(relation: Relation) -> str:
    """A relation as it is written: flops = device_seconds · peak · mfu."""
    factor = relation.value(dict.fromkeys(relation.factors, 1))
    return f"{relation.quantity} = " + " · ".join([*([f"{factor:g}"] if factor != 1 else []), *relation.factors])


def _agree(relation: Relation, known: Mapping[str, Number]) -> None:
    stated, computed = known[relation.quantity], relation.value(known)
    if not math.isclose(stated, computed, rel_tol=TOLERANCE):
        raise PlanError(
            f"{relation.quantity}={stated:g}, but {text(relation).partition(' = ')[2]}={computed:g}", field=relation.quantity,
            value=stated, valid="one of them left out",
        )  # fmt: skip


class Figure(NamedTuple):
    """Training FLOPs of a published run, or the threshold of a law."""

    name: str
    kind: str
    flops: Fact


@lru_cache(maxsize=1)
def figures() -> tuple[Figure, ...]:
    """What a run stands beside, the smallest first."""
    kinds = ("runs", "thresholds")
    found = [Figure(name, kind.removesuffix("s"), fact) for kind in kinds for name, fact in table("figures.toml")[kind].items()]
    return tuple(sorted(found, key=lambda figure: figure.flops.si))


def _over(whole: Number, part: Number) -> Number:
    """A quotient, whole where it comes out whole."""
    if isinstance(whole, int) and isinstance(part, int) and whole % part == 0:
        return whole // part
    return whole / part
