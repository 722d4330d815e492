"""The workload of one forward pass, and the one formula that counts query–key pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from bursar.dims import Dim, at_most, floor_div, split
from bursar.formula import formula


@dataclass(frozen=True)
class Step:
    """`sequences` sequences of `queries` tokens each, after `past` tokens that are in the cache.

    Training: queries = length, past = 0. Decode: queries = 1, past = tokens so far. `mask` is the counting convention of
    the attention core: "full" counts every pair of the square (as papers and FlopCounterMode do), "causal" counts the pairs
    that are really attended to, with windows and chunks exact. `source` is the length of what cross-attention looks at (None:
    as long as the queries), `images` the pictures per sequence of a model with a vision tower.
    """

    sequences: Dim
    queries: Dim
    past: Dim = 0
    mask: str = "full"
    source: Dim | None = None
    images: Dim = 0

    @cached_property
    def tokens(self) -> Dim:
        return self.sequences * self.queries

    @cached_property
    def keys(self) -> Dim:
        """Length that a query can look back on, itself included."""
        return self.past + self.queries

    @cached_property
    def sources(self) -> Dim:
        """Length that cross-attention looks at."""
        return self.queries if self.source is None else self.source

    @cached_property
    def as_causal(self) -> Step:
        """The same step as a kernel runs it that skips masked pairs."""
        return replace(self, mask="causal")

    @formula("query–key pairs of one sequence", "1")
    def pairs(self, window: Dim | None = None, causal: bool = True, chunk: Dim | None = None) -> Dim:
        """Pairs of one sequence: q·(past+q) in full; causal: Σ min(position, window) over the query positions, where with
        chunks the position is counted from the start of its chunk."""
        if self.mask == "full" or not causal:
            return self.queries * self.keys
        return _attended(self.keys, window, chunk) - _attended(self.past, window, chunk)


def _attended(length: Dim, window: Dim | None, chunk: Dim | None) -> Dim:
    """Pairs of a causal mask over `length` tokens."""
    if chunk is None:
        return _triangle(length, window)
    whole = floor_div(length, chunk)
    return whole * _triangle(chunk, window) + _triangle(length - whole * chunk, window)


def _triangle(length: Dim, window: Dim | None) -> Dim:
    """Σ_{p=1..length} min(p, window)."""
    rising = length if window is None else at_most(length, window)
    flat = 0 if window is None else (length - rising) * window
    return split(rising * (rising + 1), 2) + flat
