"""What PyTorch's profiler sees of a step: the running sum of the CPU's allocations, its peak, and the time of every operator."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import profiler

from bursar.measure.timing import wait

MEMORY = "[memory]"
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's library says on stderr when it starts and stops


class Time(NamedTuple):
    """Calls of an operator and the seconds in it, without those in operators that it calls."""

    calls: int
    seconds: float


class Allocated(NamedTuple):
    """A step as the allocator sees it: bytes at its highest moment above those before it, the operator that runs there,
    bytes that the step leaves behind, its seconds, and the time of every operator, longest first."""

    peak: int
    operator: str
    left: int
    seconds: float
    times: Mapping[str, Time]


def timed(step: Callable[[], object], device: torch.device) -> tuple[float, Mapping[str, Time]]:
    """Seconds of a step, and of the kernels of every operator on a GPU."""
    gc.collect()
    kinds = [profiler.ProfilerActivity.CPU, profiler.ProfilerActivity.CUDA]
    with profiler.profile(activities=kinds) as profile:
        wait(device)
        began = time.perf_counter()
        step()
        wait(device)
        ended = time.perf_counter()
    return ended - began, _times(profile, "self_device_time_total")


def _times(profile: profiler.profile, which: str) -> Mapping[str, Time]:
    rows = sorted(profile.key_averages(), key=lambda row: -getattr(row, which))
    return {row.key: Time(row.count, getattr(row, which) / 1e6) for row in rows if row.key.startswith("aten::")}


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
    return Allocated(peak, named, total, (ended - began) / 1e9, _times(profile, "self_cpu_time_total"))
