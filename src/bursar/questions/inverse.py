"""Inverse questions: not what a job needs, but which job fits. Every answer is a search, or a plan, that was read in ints.

Whether something fits is no monotone function of a count, because degrees must divide it: each question says which counts it tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bursar import catalog, jobs, planner
from bursar.errors import BursarError, PlanError
from bursar.machines.devices import Device, names, price
from bursar.machines.devices import device as named
from bursar.model import Model, load
from bursar.planner import Candidate, Space
from bursar.questions import bounds
from bursar.training import Training, sequence_flops

MOST_DEVICES = 2**15
PARTS = 8  # counts that are tried between a doubling that does not fit and the next, which does
LENGTH_UNIT = 1024
ASKED = ("devices", "nodes", "global_batch")  # options that a question about any model lacks or has wrong
LONGEST = 2**24


class Answer(NamedTuple):
    """What was found (a count, a length, a name; None where nothing was), the plan that shows it, its days and cost if tokens are
    given, and what was tried."""

    value: Any
    candidate: Candidate | None
    run: jobs.Run | None
    tried: tuple[Any, ...]


@dataclass(frozen=True)
class Deadline:
    """Tokens of a run, the days that it may take, and a price per device-hour (None: the device's dated example)."""

    tokens: int | None = None
    days: float | None = None
    price: float | None = None

    def run(self, space: Space, candidate: Candidate) -> jobs.Run | None:
        return jobs.run(space.training(candidate.plan), self.tokens, self.price) if self.tokens else None

    def kept(self, run: jobs.Run | None) -> bool:
        return self.days is None or (run is not None and run.days <= self.days)

    def possible(self, space: Space) -> bool:
        """Whether the bounds leave a plan that fits and keeps the deadline."""
        soon = self.days is None or self.tokens is None or bounds.least_days(space, self.tokens) <= self.days
        return soon and bounds.holds(space)


def cluster(space: Space, deadline: Deadline = Deadline()) -> Answer:
    """The fewest devices on which a plan fits and the deadline is kept: doublings, then eighths of the last one in whole nodes.
    The global batch grows where it must be split further. Counts that bounds rule out are tried without a search."""
    if deadline.days is not None and deadline.tokens is None:
        raise PlanError("a deadline needs the tokens of the run", field="tokens", valid="--tokens N")
    tried: list[int] = []

    def works(devices: int) -> tuple[Candidate, jobs.Run | None] | None:
        tried.append(devices)
        larger = replace(space, devices=devices, global_batch=_split_over(space.global_batch, devices))
        candidate = planner.best_if_any(larger) if deadline.possible(larger) else None
        if candidate is None:
            return None
        run = deadline.run(larger, candidate)
        return (candidate, run) if deadline.kept(run) else None

    top, found = _first(_doublings(MOST_DEVICES), works)
    if found is None:
        return Answer(None, None, None, tuple(tried))
    fewer, better = _first(_between(top // 2, top, int(space.device.node.si)), works)
    candidate, run = better or found
    return Answer(fewer or top, candidate, run, tuple(tried))


def _split_over(batch: int, devices: int) -> int:
    """The batch, or the next one that as many ranks share."""
    return batch if batch % devices == 0 or batch > devices else devices


def _doublings(most: int) -> Iterator[int]:
    count = 1
    while count <= most:
        yield count
        count *= 2


def _between(low: int, high: int, node: int) -> Iterator[int]:
    """Counts between a number and its double, in eighths: beyond a node those of whole nodes."""
    counts = sorted({low + low * part // PARTS for part in range(1, PARTS)} - {low, high})
    yield from [count for count in counts if high <= node or count % node == 0]


def _first(values: Iterable[int], works: Callable[[int], Any]) -> tuple[int, Any]:
    """The first value that works, with what it gave; 0 and None where none does."""
    for value in values:
        found = works(value)
        if found is not None:
            return value, found
    return 0, None


def context(space: Space) -> Answer:
    """The longest sequence with which a plan fits: doublings of 1,024, then sixteenths of the last one. The batch keeps its tokens,
    but has a sequence for every device at least. What fits at a length fits at shorter ones: halving finds the last sixteenth."""
    short, long = (sequence_flops(space.architecture, count * LENGTH_UNIT, space.mask) for count in (1, 2))
    if short == long:
        raise PlanError(
            f"sequences of {space.architecture.family} have one length, that of their images",
            field="model",
            valid="a model of text",
        )
    tokens, tried = space.global_batch * space.length, list[int]()

    def works(length: int) -> Candidate | None:
        tried.append(length)
        sequences = max(1, round(tokens / length / space.devices)) * space.devices
        return planner.best_if_any(replace(space, length=length, global_batch=sequences))

    longest, found = 0, None
    for length in (LENGTH_UNIT * count for count in _doublings(LONGEST // LENGTH_UNIT)):
        if (candidate := works(length)) is None:
            break
        longest, found = length, candidate
    step = max(longest // 16, LENGTH_UNIT)
    low, high = 0, longest // step if longest else 0
    while high - low > 1:
        middle = (low + high) // 2
        if (candidate := works(longest + middle * step)) is None:
            high = middle
        else:
            low, found = middle, candidate
    return Answer(longest + low * step if longest else None, found, None, tuple(tried))


def micro_batch(training: Training, most: int = 2**16) -> Answer:
    """The most sequences of a micro-batch with which a plan fits its device. Memory grows with them, so halving finds it."""
    capacity = training.device.memory.si if training.device else None
    if capacity is None:
        raise PlanError("a largest batch needs a device", field="device", valid="--device NAME")
    tried: list[int] = []

    def fits(sequences: int) -> bool:
        tried.append(sequences)
        plan = replace(training.plan, micro_batch=sequences)
        try:
            changed = replace(training, plan=plan, global_batch=sequences * plan.data * training.micro_batches)
            return bool(changed.peak() <= capacity)
        except BursarError:
            return False

    low, high = 0, 1
    while high <= most and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return Answer(low or None, None, None, tuple(tried))


def model(options: dict[str, Any], device: Device) -> Answer:
    """The largest model of the catalog of which a plan fits. One whose parameters alone, spread over all devices, are too many for
    them is not searched: no plan holds less."""
    tried: list[str] = []
    for _, name in sorted([(load(name).params(), name) for name in catalog.names()], reverse=True):
        space = _space(load(name), options, device)
        if space is None or not bounds.holds(space):
            continue
        tried.append(name)
        candidate = planner.best_if_any(space)
        if candidate is not None:
            return Answer(name, candidate, None, tuple(tried))
    return Answer(None, None, None, tuple(tried))


def _space(asked: Model, options: dict[str, Any], device: Device) -> Space | None:
    """The space of one of many; None of one that cannot be asked so, such as a length beyond its positions."""
    try:
        return planner.space_of(asked, options, device)[0]
    except BursarError as error:
        if error.field in ASKED:
            raise
        return None


class Offer(NamedTuple):
    """A device that keeps a deadline: how many of them, the plan, and its run."""

    device: str
    devices: int
    candidate: Candidate
    run: jobs.Run


def devices(asked: Model, options: dict[str, Any], deadline: Deadline, among: Iterable[str] | None = None) -> list[Offer]:
    """For every device with a price, the fewest of them that keep a deadline, cheapest first."""
    if deadline.tokens is None or deadline.days is None:
        raise PlanError("the cheapest device by a deadline needs both", field="days", valid="--tokens N --days N")
    found: list[Offer] = []
    for name in among or [name for name in names() if deadline.price is not None or price(name) is not None]:
        device = named(name)
        space = _space(asked, {**options, "devices": int(device.node.si), "nodes": None}, device)
        if space is None:
            continue
        answer = cluster(space, deadline)
        if answer.candidate is not None and answer.run is not None:
            found.append(Offer(device.id, answer.value, answer.candidate, answer.run))
    return sorted(found, key=lambda offer: (math.inf if offer.run.cost_usd is None else offer.run.cost_usd, offer.run.days))
