"""Pipeline schedules: which chunks a rank has, in which order it works, what it holds, and how long it waits.

events      every pass of every rank in order
in_flight   micro-batches that a rank holds at the moments that can be its peak, as a closed form
idle        seconds of a step beyond a rank's own passes, as a closed form
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from bursar.dims import Dim
from bursar.errors import UnknownNameError
from bursar.parallel.schedules import dual, plain, zero_bubble
from bursar.parallel.schedules.events import Event, Flight, Moment, Passes, Worker

__all__ = ["SCHEDULES", "Event", "Flight", "Moment", "Passes", "Schedule", "events", "in_flight", "schedule"]


class Schedule(NamedTuple):
    """A schedule of `p` ranks with `v` chunks each, for `m` micro-batches: which chunks a rank has in the order of the model, its
    passes, its moments, its idle seconds, and the least and the unit of `m`. `fixed` is the number of chunks of a rank where
    the schedule sets it, `copies` how often each chunk is there, `unit_of_ranks` what divides `p`."""

    place: Callable[[int, int, int], tuple[int, ...]]
    write: Callable[[Worker, int, int, int], None]
    in_flight: Callable[[int, int, int, Dim], tuple[Moment, ...]]
    idle: Callable[[Passes, int, int, Dim], Dim]
    fixed: int | None = 1
    copies: int = 1
    least: Callable[[int], int] = lambda p: 1
    unit: Callable[[int], int] = lambda p: 1
    unit_of_ranks: int = 1
    alone: bool = False  # whether one rank is a pipeline of this kind
    splits: bool = False  # whether weight gradients are passes of their own

    def chunks(self, virtual: int) -> int:
        """Chunks of a rank."""
        return virtual if self.fixed is None else self.fixed

    def numbered(self, p: int, virtual: int) -> int:
        """Chunks of the model."""
        return p * self.chunks(virtual) // self.copies


def _one(rank: int, p: int, v: int) -> tuple[int, ...]:
    return (rank,)


def _round_robin(rank: int, p: int, v: int) -> tuple[int, ...]:
    return tuple(range(rank, p * v, p))


def _v_shape(rank: int, p: int, v: int) -> tuple[int, ...]:
    return rank, 2 * p - 1 - rank


def _both_ends(rank: int, p: int, v: int) -> tuple[int, ...]:
    return min(rank, p - 1 - rank), max(rank, p - 1 - rank)


SCHEDULES: dict[str, Schedule] = {
    "gpipe": Schedule(_one, plain.gpipe, plain.gpipe_in_flight, plain.gpipe_idle, alone=True),
    "1f1b": Schedule(
        _one,
        plain.one_forward_one_backward,
        plain.one_forward_one_backward_in_flight,
        plain.one_forward_one_backward_idle,
        alone=True,
    ),
    "interleaved": Schedule(
        _round_robin,
        plain.interleaved,
        plain.interleaved_in_flight,
        plain.interleaved_idle,
        fixed=None,
        least=lambda p: p,
        unit=lambda p: p,
    ),
    "zb-h1": Schedule(_one, zero_bubble.h1, zero_bubble.h1_in_flight, zero_bubble.h1_idle, least=lambda p: p, splits=True),
    "zb-h2": Schedule(_one, zero_bubble.h2, zero_bubble.h2_in_flight, zero_bubble.h2_idle, least=lambda p: 2 * p - 1, splits=True),
    "zb-v": Schedule(
        _v_shape,
        zero_bubble.v_shape,
        zero_bubble.v_shape_in_flight,
        zero_bubble.v_shape_idle,
        fixed=2,
        least=lambda p: 2 * p - 1,
        splits=True,
    ),
    "dualpipe": Schedule(
        _both_ends,
        dual.dualpipe,
        dual.dualpipe_in_flight,
        dual.dualpipe_idle,
        fixed=2,
        copies=2,
        least=lambda p: 2 * p,
        unit=lambda p: 2,
        unit_of_ranks=2,
        splits=True,
    ),
    "dualpipe-v": Schedule(
        _v_shape,
        dual.dualpipe_v,
        dual.dualpipe_v_in_flight,
        dual.dualpipe_v_idle,
        fixed=2,
        least=lambda p: 2 * p,
        splits=True,
    ),
}


def schedule(name: str) -> Schedule:
    """A schedule of the table."""
    try:
        return SCHEDULES[name]
    except KeyError:
        raise UnknownNameError("schedule", name, SCHEDULES) from None


@lru_cache(maxsize=64)
def events(name: str, ranks: int, virtual: int, micro_batches: int) -> tuple[tuple[Event, ...], ...]:
    """The passes of every rank, in its order. `virtual` counts only where the schedule leaves it open."""
    found = schedule(name)
    written = []
    for rank in range(ranks):
        worker = Worker(rank)
        found.write(worker, ranks, found.chunks(virtual), micro_batches)
        written.append(tuple(worker.events))
    return tuple(written)


def in_flight(name: str, rank: int, ranks: int, virtual: int, micro_batches: Dim) -> tuple[Moment, ...]:
    """What a rank holds at the moments that can be its peak: for each of its chunks (`Schedule.place`) the micro-batches whose
    activations are whole, and those that wait for their weight gradients alone."""
    found = schedule(name)
    return found.in_flight(rank, ranks, found.chunks(virtual), micro_batches)


def highest_in_flight(name: str, indices: Sequence[int], ranks: int, virtual: int, micro_batches: Dim) -> list[Moment]:
    """Of the moments of several ranks those that can be the highest, whatever the bytes of a micro-batch: where counts rise or fall
    evenly from rank to rank, the first or the last rank has most."""
    every = [in_flight(name, index, ranks, virtual, micro_batches) for index in indices]
    found: list[Moment] = []
    for moments in zip(*every, strict=True):
        inner = zip(moments, moments[1:], moments[2:], strict=False)
        found += [moments[0], *[own for before, own, after in inner if not _halfway(before, own, after)], *moments[1:][-1:]]
    return found


def _halfway(before: Moment, own: Moment, after: Moment) -> bool:
    """Whether every count is the mean of those before and after; counts of many plans at once are not compared."""
    counts = [[count for flight in moment for count in flight] for moment in (before, own, after)]
    return all(type(n) is int and low + high == 2 * n for low, n, high in zip(*counts, strict=True))
