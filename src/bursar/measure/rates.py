"""What this machine achieves: FLOP/s of a matrix product and bytes/s of a copy, measured in a second or so."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch

SIDE, COPIED, TRIES = 1024, 64 * 2**20, 5


class Achieved(NamedTuple):
    """FLOP/s of a square product of side 1024, and bytes/s read and written by a copy of 64 MiB: the best of five."""

    flops: float
    bandwidth: float

    def seconds(self, flops: int, moved: int) -> float:
        """The larger of compute and traffic (Williams et al. 2009)."""
        return max(flops / self.flops, moved / self.bandwidth)


@lru_cache(maxsize=8)
def achieved(dtype: torch.dtype) -> Achieved:
    """Of the CPU in a dtype."""
    left, right = (torch.ones((SIDE, SIDE), dtype=dtype) for _ in range(2))
    source, target = (torch.ones(COPIED, dtype=torch.uint8) for _ in range(2))
    return Achieved(2 * SIDE**3 / _best(lambda: left @ right), 2 * COPIED / _best(lambda: target.copy_(source)))


def _best(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)
