"""The operators of a model with ints and over letters, line by line side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar.errors import PlanError
from bursar.explain.letters import Letters, Pair, step
from bursar.step import Step as Workload
from bursar.tree import Line


class Both(NamedTuple):
    """A line of a block in both readings."""

    ints: Line
    words: Line

    @property
    def path(self) -> str:
        return self.ints.path


def lines(pair: Pair, workload: Workload) -> Iterator[Both]:
    """The lines of a block for a workload, which over letters is one of b sequences of s tokens."""
    for own, other in zip(pair.ints.walk(workload), pair.words.walk(step(workload)), strict=True):
        yield Both(own, other)


def layer_of(named: Letters, layer: int) -> Pair:
    """The block that a layer of the trunk is. Raises PlanError for a layer that there is not."""
    first = 0
    blocks = {id(pair.ints): pair for pair in named.pairs}
    for run in named.model.architecture.trunk:
        if first <= layer < first + run.times:
            return blocks[id(run.block)]
        first += run.times
    raise PlanError(f"layer={layer}", field="layer", value=layer, valid=f"0 to {first - 1}")
