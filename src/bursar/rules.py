"""Which plans are valid. A rule is one object, read as an error with ints, as a mask with arrays, as a line of the docs.

A rule returns what must hold as (condition, problem, valid values); conditions use `==`, `<=` and `%` only, so that they
work on ints and on arrays alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from bursar.dims import Dim, divisors
from bursar.errors import PlanError
from bursar.parallel import expert, tensor
from bursar.plan import Plan
from bursar.tree import Architecture, Block


@dataclass(frozen=True)
class Job:
    """What is asked of a plan: sequence length, sequences per step, devices (None: as many as the plan's degrees make)."""

    length: Dim
    global_batch: Dim | None = None
    devices: int | None = None


class Demand(NamedTuple):
    """A condition on a plan, what it says when it fails, and what would be valid (computed only then)."""

    holds: Any
    problem: Callable[[], str]
    valid: Callable[[], object]


class Rule(NamedTuple):
    """A rule of validity: the option it is about, its text for the docs, and its demands on a plan."""

    field: str
    text: str
    demands: Callable[[Architecture, Plan, Job], Iterator[Demand]]


Counts = tuple[tuple[str, int], ...]


@lru_cache(maxsize=256)
def _counts(architecture: Architecture, pairs: Callable[[Block], Iterator[tuple[str, int]]]) -> Counts:
    """The sizes of an architecture that a degree must divide, each (name, count) once; one name speaks for equal widths."""
    found: dict[tuple[bool, int], str] = {}
    for block in {id(block): block for _, _, block in architecture.parts()}.values():
        for name, count in pairs(block):
            found.setdefault((name == "kv_heads", count), name)
    return tuple((name, count) for (_, count), name in found.items())


def _tensor(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    for name, count in _counts(architecture, tensor.counts):
        if name == "kv_heads":
            fits = (count % plan.tensor == 0) | (plan.tensor % count == 0)
        else:
            fits = count % plan.tensor == 0
        yield Demand(fits, lambda name=name, count=count: f"tp={plan.tensor} does not divide {name}={count}", lambda: _degrees(_counts(architecture, tensor.counts)))  # type: ignore[misc]


def _sequence(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if plan.sequence:
        tokens = plan.micro_batch * job.length
        yield Demand(
            tokens % plan.tensor == 0,
            lambda: f"sp needs tp={plan.tensor} to divide the {tokens} tokens of a micro-batch",
            lambda: f"a multiple of {plan.tensor} tokens",
        )


def _expert(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    counts = dict(_counts(architecture, expert.counts))
    for count in counts.values() or [1]:
        problem = f"ep={plan.expert} does not divide experts={count}" if counts else f"ep={plan.expert} of a model without experts"
        yield Demand(count % plan.expert == 0, lambda problem=problem: problem, lambda count=count: divisors(count))  # type: ignore[misc]
    if counts and not plan.sequence:
        yield Demand(
            (plan.tensor == 1) | ((plan.expert == 1) & (plan.expert_tensor == plan.tensor)),
            lambda: f"ep={plan.expert}, etp={plan.expert_tensor} with tp={plan.tensor} need sp, or every tensor rank would send the same tokens",
            lambda: "--sp",
        )


def _expert_tensor(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    for name, count in _counts(architecture, expert.inner_counts):
        yield Demand(
            count % plan.expert_tensor == 0,
            lambda name=name, count=count: f"etp={plan.expert_tensor} does not divide {name}={count}",  # type: ignore[misc]
            lambda: _degrees(_counts(architecture, expert.inner_counts)),
        )
    yield Demand(
        plan.tensor % plan.expert_tensor == 0,
        lambda: f"etp={plan.expert_tensor} does not divide tp={plan.tensor}",
        lambda: divisors(plan.tensor),
    )
    ranks, group = plan.tensor * plan.data, plan.expert * plan.expert_tensor
    yield Demand(
        ranks % group == 0,
        lambda: f"ep·etp={group} does not divide tp·dp={ranks}",
        lambda: [ep for ep in divisors(ranks) if ranks % (ep * plan.expert_tensor) == 0],
    )


def _batch(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if job.global_batch is not None:
        ways = plan.data * plan.micro_batch
        yield Demand(
            job.global_batch % ways == 0,
            lambda: f"dp·micro_batch={plan.data}·{plan.micro_batch} does not divide the global batch of {job.global_batch} sequences",
            lambda: f"a multiple of {ways}",
        )


def _devices(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if job.devices is not None:
        yield Demand(
            plan.devices == job.devices,
            lambda: f"tp·pp·dp={plan.tensor}·{plan.pipeline}·{plan.data}={plan.devices} is not devices={job.devices}",
            lambda: "degrees whose product is the number of devices",
        )


def _length(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if architecture.max_length is not None:
        limit = architecture.max_length
        yield Demand(job.length <= limit, lambda: f"seq={job.length} is beyond the {limit} learned positions", lambda: f"1 to {limit}")


RULES: tuple[Rule, ...] = (
    Rule("seq", "the length stays within learned positions", _length),
    Rule("tp", "tp divides the heads and the feed-forward width; it divides the KV heads or is a multiple of them", _tensor),
    Rule("sp", "with sequence parallelism tp divides the tokens of a micro-batch", _sequence),
    Rule("ep", "ep divides the number of experts; with tp it needs sequence parallelism", _expert),
    Rule("etp", "etp divides tp and an expert's width; ep·etp divides tp·dp", _expert_tensor),
    Rule("global_batch", "dp·micro_batch divides the global batch", _batch),
    Rule("devices", "the product of tp, pp and dp is the number of devices", _devices),
)


def check(architecture: Architecture, plan: Plan, job: Job) -> None:
    """Raise the first rule that a plan of ints breaks."""
    for rule in RULES:
        for demand in rule.demands(architecture, plan, job):
            if not demand.holds:
                raise PlanError(demand.problem(), field=rule.field, value=plan, valid=demand.valid())


def mask(architecture: Architecture, plan: Plan, job: Job) -> Any:
    """Which plans of an array keep every rule."""
    kept: Any = True
    for rule in RULES:
        for demand in rule.demands(architecture, plan, job):
            kept = kept & demand.holds
    return kept


def _degrees(counts: Counts) -> list[int]:
    """The degrees that divide every count, and divide the KV heads or are a multiple of them."""
    strict = [count for name, count in counts if name != "kv_heads"]
    heads = [count for name, count in counts if name == "kv_heads"]
    return [d for d in divisors(min(strict)) if all(c % d == 0 for c in strict) and all(h % d == 0 or d % h == 0 for h in heads)]
