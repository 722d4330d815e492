"""The workload of one forward pass, and the one formula that counts query–key pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bursar.dims import Dim, at_most, split
from bursar.formula import formula


@dataclass(frozen=True)
class Step:
    """`sequences` sequences of `queries` tokens each, after `past` tokens that are in the cache.

    Training: queries = length, past = 0. Decode: queries = 1, past = tokens so far. `mask` is the counting convention of
    the attention core: "full" counts every pair of the square (as papers and FlopCounterMode do), "causal" counts the pairs
    that are really attended to, with windows exact.
    """

    sequences: Dim
    queries: Dim
    past: Dim = 0
    mask: str = "full"

    @cached_property
    def tokens(self) -> Dim:
        return self.sequences * self.queries

    @cached_property
    def keys(self) -> Dim:
        """Length that a query can look back on, itself included."""
        return self.past + self.queries

    @cached_property
    def as_causal(self) -> Step:
        """The same step as a kernel runs it that skips masked pairs."""
        return Step(self.sequences, self.queries, self.past, "causal")

    @formula("query–key pairs of one sequence", "1")
    def pairs(self, window: Dim | None = None, causal: bool = True) -> Dim:
        """Pairs of one sequence: q·(past+q) in full; causal: Σ min(position, window) over the query positions."""
        if self.mask == "full" or not causal:
            return self.queries * self.keys
        return _triangle(self.keys, window) - _triangle(self.past, window)


def _triangle(length: Dim, window: Dim | None) -> Dim:
    """Σ_{p=1..length} min(p, window): the pairs of a causal mask over `length` tokens."""
    rising = length if window is None else at_most(length, window)
    flat = 0 if window is None else (length - rising) * window
    return split(rising * (rising + 1), 2) + flat
