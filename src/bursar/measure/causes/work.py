"""FLOPs of an algorithm beside those of a module's products."""

from __future__ import annotations

from typing import NamedTuple


class Work(NamedTuple):
    """FLOPs of a module's algorithm less those of the products that run: above zero where the code multiplies element by element,
    below where it multiplies more. `kind` is what the products of the forward pass are reported under, `reason` the key of the
    sentence that says why."""

    kind: str
    forward: int
    backward: int
    reason: str


def work(kind: str, flops: int, reason: str) -> Work:
    """Each product has two gradients of its size."""
    return Work(kind, flops, 2 * flops, reason)


def cut_off(channels: int, kernel: int, seq: int, batch: int, *, cached: bool) -> Work:
    """A causal depthwise convolution is filled up on both sides, and what is past the end is cut off. With a cache, a sequence
    shorter than the kernel is filled up to it."""
    outputs = (max(seq, kernel) if cached else seq) + kernel - 1
    return work("linear", -2 * batch * (outputs - seq) * channels * kernel, "cause_cut_off")
