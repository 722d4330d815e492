"""The CUDA allocator's own history of a step (torch.cuda.memory._snapshot): what it had at every moment, also inside of operators.

The history lists every block that is handed out ("alloc") and asked back ("free_requested"); the allocator's count of blocks, read
after every operator, says which of them are whose. Between the two, tensors that are known leave a rest: what operators hold
inside, and what is added to fill a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from bursar.errors import BursarError

ENTRIES = 10_000_000  # of the history; a step has a few for every operator
SIGN = {"alloc": 1, "free_requested": -1}
COUNT = "allocation.all.allocated"  # of blocks since the process began


class Moment(NamedTuple):
    """An operator as the allocator saw it, in bytes above those before the step: the highest moment inside, and what is left."""

    highest: int
    after: int


def blocks(device: torch.device) -> int:
    """How many blocks the allocator has handed out."""
    return int(torch.cuda.memory_stats(device).get(COUNT, 0))


@contextmanager
def recorded(device: torch.device) -> Iterator[Callable[[], Mapping[str, Any]]]:
    """The allocator keeps its history inside; what is given asks for the snapshot of it."""
    torch.cuda.memory._record_memory_history("all", context=None, max_entries=ENTRIES, clear_history=True)
    try:
        yield lambda: torch.cuda.memory._snapshot(device)
    finally:
        torch.cuda.memory._record_memory_history(None)


def moments(snapshot: Mapping[str, Any], device: int, counts: Sequence[int]) -> tuple[Moment, ...]:
    """One moment for every operator: `counts` are the blocks handed out before the step and after each of them.

    Raises BursarError where the history does not hold as many."""
    traces = snapshot["device_traces"]
    changes = list(_changes(traces[device] if device < len(traces) else ()))
    made = sum(size > 0 for size in changes)
    if made < counts[-1] - counts[0]:
        raise BursarError(
            f"the allocator's history has {made} blocks of {counts[-1] - counts[0]}", field="on", value="cuda",
            valid="a shorter step, or one without an allocator of its own",
        )  # fmt: skip
    found, total, at, given = [], 0, 0, counts[0]
    for count in counts[1:]:
        highest = total
        while given < count:
            total += changes[at]
            given += changes[at] > 0
            highest, at = max(highest, total), at + 1
        while at < len(changes) and changes[at] < 0:  # let go of before the next block
            total, at = total + changes[at], at + 1
        found.append(Moment(highest, total))
    return tuple(found)


def _changes(trace: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    """Bytes that come and go, in order."""
    for entry in trace:
        if entry["action"] in SIGN:
            yield SIGN[entry["action"]] * int(entry["size"])
