"""Seconds of a piece of work on a device, run as often as it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

WARM, FEWEST = 3, 5  # runs before any is measured, and runs that are, at the least
FLUSHED = 4  # times the size of the L2 cache


def seconds(work: Callable[[], Any], device: torch.device, least: float) -> float:
    """Seconds of one run, of so many that they last `least` seconds together.

    On a GPU by events on its stream, each run with an L2 cache that holds nothing of its own (as Triton's do_bench does), as in a
    training step, where others have run in between; the median of all. On a CPU by the clock over all of them."""
    return on_gpu(work, flushing(device), least) if device.type == "cuda" else _on_cpu(work, least)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flushing(device: torch.device) -> Callable[[], Any]:
    """Writes over the L2 cache of a GPU."""
    size = FLUSHED * torch.cuda.get_device_properties(device).L2_cache_size
    cache = torch.empty(size, dtype=torch.int8, device=device)
    return lambda: cache.zero_()


def on_gpu(work: Callable[[], Any], flush: Callable[[], Any], least: float) -> float:
    for _ in range(WARM):
        work()
    first = _events(work, flush, FEWEST)
    return median(_events(work, flush, max(FEWEST, math.ceil(least / max(median(first), 1e-9)))))


def _events(work: Callable[[], Any], flush: Callable[[], Any], times: int) -> list[float]:
    """Seconds of every run between two events of the current stream."""
    pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(times)]
    for began, ended in pairs:
        flush()
        began.record()
        work()
        ended.record()
    torch.cuda.synchronize()
    return [began.elapsed_time(ended) / 1e3 for began, ended in pairs]


def _on_cpu(work: Callable[[], Any], least: float) -> float:
    work()
    times = 1
    while True:
        began = time.perf_counter()
        for _ in range(times):
            work()
        taken = time.perf_counter() - began
        if taken >= least:
            return taken / times
        times = max(2 * times, round(times * least / max(taken, 1e-9)))
