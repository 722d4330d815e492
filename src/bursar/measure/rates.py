"""What a device achieves: FLOP/s of a matrix product and bytes/s of a copy, measured in a second or so."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch

from bursar.measure.timing import seconds

SIZES = {"cpu": (1024, 64 * 2**20), "cuda": (8192, 2**30)}  # side of a product, bytes of a copy
TRIES, LEAST = 5, 0.2


class Achieved(NamedTuple):
    """FLOP/s of a large square product, and bytes/s read and written by a large copy."""

    flops: float
    bandwidth: float

    def seconds(self, flops: int, moved: int) -> float:
        """The larger of compute and traffic (Williams et al. 2009)."""
        return max(flops / self.flops, moved / self.bandwidth)


@lru_cache(maxsize=8)
def achieved(dtype: torch.dtype, device: torch.device) -> Achieved:
    """Of a CPU the best of five, of a GPU the median."""
    side, copied = SIZES[device.type]
    left, right = (torch.ones((side, side), dtype=dtype, device=device) for _ in range(2))
    source, target = (torch.ones(copied, dtype=torch.uint8, device=device) for _ in range(2))
    product, copy = _taken(lambda: left @ right, device), _taken(lambda: target.copy_(source), device)
    return Achieved(2 * side**3 / product, 2 * copied / copy)


def _taken(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        return seconds(run, device, LEAST)
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)
