"""What PyTorch's profiler sees of a step: the running sum of allocations, its peak, and the time of every operator."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import profiler

MEMORY = "[memory]"


class Time(NamedTuple):
    """Calls of an operator and the seconds in it, without those in operators that it calls."""

    calls: int
    seconds: float


class Allocated(NamedTuple):
    """A step as the CPU's allocator sees it: bytes at its highest moment above those before it, the operator that runs there,
    bytes that the step leaves behind, its seconds, and the time of every operator, longest first."""

    peak: int
    operator: str
    left: int
    seconds: float
    times: Mapping[str, Time]


def allocated(step: Callable[[], object]) -> Allocated:
    """Runs a step under the profiler, which reports every allocation and release."""
    gc.collect()
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = profile.profiler.kineto_results.events()
    changes = sorted([event for event in events if event.name() == MEMORY], key=lambda event: event.start_ns())
    total = peak = at = 0
    for change in changes:
        total += change.nbytes()
        if total > peak:
            peak, at = total, change.start_ns()
    ran = [event for event in events if event.name() != MEMORY]
    inside = [event.name() for event in ran if event.start_ns() <= at <= event.start_ns() + event.duration_ns()]
    named = next((name.rpartition(" ")[2] for name in inside if name.endswith("Backward0")), inside[-1] if inside else "")
    began, ended = min(event.start_ns() for event in ran), max(event.start_ns() + event.duration_ns() for event in ran)
    averages = sorted(profile.key_averages(), key=lambda row: -row.self_cpu_time_total)
    times = {row.key: Time(row.count, row.self_cpu_time_total / 1e6) for row in averages if row.key.startswith("aten::")}
    return Allocated(peak, named, total, (ended - began) / 1e9, times)
