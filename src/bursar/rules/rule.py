"""What a rule of validity is: demands on a plan, each a condition that works on ints and on arrays alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from bursar.dims import Dim, divisors
from bursar.plan import Plan
from bursar.tree import Architecture, Block


@dataclass(frozen=True)
class Job:
    """What is asked of a plan: sequence length, sequences per step, devices (None: as many as the plan's degrees make)."""

    length: Dim
    global_batch: Dim | None = None
    devices: int | None = None
    peaks: tuple[str, ...] | None = None  # dtypes that the device has a dense peak of (None: no device)


class Demand(NamedTuple):
    """A condition on a plan; what it says when it fails and what would be valid are computed only then."""

    holds: Any
    problem: Callable[[Plan], str]
    valid: Callable[[Plan], object]


class Rule(NamedTuple):
    """A rule of validity: the option it is about, its text for the docs, its demands on a plan, and whether it asks how blocks are
    cut and nothing else (not of the pipeline, its schedule, data parallelism or the batch)."""

    field: str
    text: str
    demands: Callable[[Architecture, Plan, Job], Iterator[Demand]]
    of_a_cut: bool = False


Counts = tuple[tuple[str, int], ...]


@lru_cache(maxsize=256)
def counts_of(architecture: Architecture, pairs: Callable[[Block], Iterator[tuple[str, int]]]) -> Counts:
    """The sizes of an architecture that a degree must divide, each (name, count) once; one name speaks for equal widths."""
    found: dict[tuple[bool, int], str] = {}
    for block in {id(block): block for _, _, block in architecture.parts()}.values():
        for name, count in pairs(block):
            found.setdefault((name == "kv_heads", count), name)
    return tuple((name, count) for (_, count), name in found.items())


def degrees_of(counts: Counts) -> list[int]:
    """The degrees that divide every count, and divide the KV heads or are a multiple of them."""
    strict = [count for name, count in counts if name != "kv_heads"]
    heads = [count for name, count in counts if name == "kv_heads"]
    return [d for d in divisors(min(strict)) if all(c % d == 0 for c in strict) and all(h % d == 0 or d % h == 0 for h in heads)]


def divides_all(option: str, field: str, name: str, count: int, counts: Counts, holds: Any) -> Demand:
    """That a degree divides a count."""
    return Demand(
        holds,
        lambda plan: f"{option}={getattr(plan, field)} does not divide {name}={count}",
        lambda plan: degrees_of(counts),
    )
