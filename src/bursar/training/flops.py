"""FLOPs of a training sequence, as models are compared by them."""

from __future__ import annotations

from functools import lru_cache

from bursar import recompute
from bursar.step import Step
from bursar.tree import Architecture


@lru_cache(maxsize=512)
def sequence_flops(architecture: Architecture, length: int, mask: str, sequences: int = 1) -> int:
    """Model FLOPs of one training sequence, or of several in one pass."""
    total: int = 0
    for times, line in architecture.walk(Step(sequences, length, 0, mask)):
        op, step = line.op, line.step
        total += times * (op.flops(step) + sum(op.gradients(step)))
    return total


@lru_cache(maxsize=512)
def repeated_flops(architecture: Architecture, length: int, mask: str, mode: str) -> int:
    """FLOPs of the forward passes that run again for one sequence."""
    step = Step(1, length, 0, mask)
    return sum(run.times * recompute.executed_again(run.block, step, mode) for run in architecture.trunk)
