"""The bytes that a block holds from moment to moment, and the highest of them. A moment is plain arithmetic: what comes is added to
the moment before, what goes is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from bursar.dims import Dim, at_least, choose
from bursar.memory.parts import Sized
from bursar.memory.wiring import Changes, Moments, moments


class Live(NamedTuple):
    """Bytes of a block that are there at one moment, by part of memory."""

    gradients: Dim = 0
    activations: Dim = 0
    logits: Dim = 0
    temporary: Dim = 0
    communication: Dim = 0

    @property
    def total(self) -> Dim:
        return sum(self)


def most_of(values: Iterator[Dim]) -> Dim:
    """The largest of one or more, as they come."""
    result = next(values)
    for value in values:
        result = at_least(result, value)
    return result


@dataclass(frozen=True, eq=False)
class Passes:
    """The forward and the backward pass of a block: the moments that may be its highest, and the bytes of what is there."""

    found: Sized
    _top_of: Any = None

    @cached_property
    def moments(self) -> Moments:
        return moments(self.found.wiring)

    @cached_property
    def kept(self) -> Live:
        """What stays between the passes."""
        return self.live(tuple(sorted(self.found.wiring.stays)))

    @property
    def caches(self) -> bool:
        """Whether its forward pass leaves more than what stays."""
        return bool(self.found.wiring.cached)

    @cached_property
    def cached(self) -> Dim:
        """Bytes that it leaves until the forward pass of all blocks is over, beside what stays."""
        return sum([self.found.parts[name].bytes for name in sorted(self.found.wiring.cached)])

    @cached_property
    def totals(self) -> tuple[Dim, Dim]:
        """Bytes at the highest moment of each pass."""
        return most_of(self._sums(self.moments.forward)), self.backward

    @cached_property
    def backward(self) -> Dim:
        """Bytes at the highest moment of the backward pass."""
        return most_of(self._sums(self.moments.backward))

    @cached_property
    def beyond(self) -> Dim:
        """Bytes at the highest moment of the forward pass that the backward pass may not reach; 0 if there is none."""
        return most_of(self._sums(self.moments.beyond)) if self.moments.beyond else 0

    def settle(self) -> None:
        """Works out what `top` needs."""
        _ = self.backward, self.beyond
        if self.found.wiring.cached:
            _ = self.totals, self.cached

    def forget(self) -> None:
        """Lets the tensors go: an array for each of them would not stay in the cache."""
        for part in self.found.parts.values():
            part.forget()

    def top(self, shown: Dim) -> Dim:
        """Bytes at the higher one, with what is there during a backward pass anyway."""
        if self._top_of is None or self._top_of[0] is not shown:
            object.__setattr__(self, "_top_of", (shown, at_least(self.backward + shown, self.beyond)))
        return self._top_of[1]

    def _sums(self, these: tuple[Changes, ...]) -> Iterator[Dim]:
        """The bytes of moments one after another: what comes, less what goes."""
        parts = self.found.parts
        total: Dim = 0
        for change in these:
            for name in change.comes:
                total = total + parts[name].bytes
            for name in change.goes:
                total = total - parts[name].bytes
            yield total

    @cached_property
    def highest(self) -> tuple[Live, Live]:
        """The parts at the highest moment of each pass, the first of equals."""
        return self._top(self.moments.forward), self._top(self.moments.backward)

    def _top(self, these: tuple[Changes, ...]) -> Live:
        sums = list(self._sums(these))
        if all(type(total) is int for total in sums):
            return self.live(these[sums.index(max(sums))].names)
        best, top = self.live(these[0].names), sums[0]
        for change, total in zip(these[1:], sums[1:], strict=True):
            higher = total > top
            best = Live(*[choose(higher, new, old) for new, old in zip(self.live(change.names), best, strict=True)])
            top = choose(higher, total, top)
        return best

    def live(self, names: tuple[str, ...]) -> Live:
        """The bytes of what is there together, by part."""
        sums: dict[str, Dim] = dict.fromkeys(Live._fields, 0)
        for name in names:
            part = self.found.parts[name]
            counted = "temporary" if part.part == "activations" and name not in self.found.wiring.stays else part.part
            sums[counted] = sums[counted] + part.bytes
        return Live(**sums)
