"""A job read twice: one rank's part of a stage with ints and, cut by the same plan, over letters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from bursar import recompute
from bursar.errors import PlanError
from bursar.explain.letters import Letters, Pair, lettered, numbered, shares_keys, step
from bursar.kernels import Kernels
from bursar.model import Model
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.precision import size
from bursar.step import Step as Workload
from bursar.training import Training
from bursar.tree import Block, Kept


class Side(NamedTuple):
    """One reading of a rank's part of a block: with ints, or over letters."""

    block: Block
    step: Workload
    plan: Plan
    kernels: Kernels

    def kept(self, mode: str) -> list[Kept]:
        """What it holds between its passes under a recompute mode."""
        return list(recompute.kept(self.block, self.step, self.kernels.keeps, mode))

    def bytes(self, item: Kept) -> Any:
        return size(item.elements, self.plan.recipe.rate[item.kind])


@dataclass(frozen=True, eq=False)
class Job:
    """A rank of a stage in both readings, and the numbers of its letters; `place` is that of the stage among those that differ."""

    model: Model
    training: Training
    place: int = 0

    @cached_property
    def named(self) -> Letters:
        return Letters(self.model)

    @cached_property
    def lettered(self) -> tuple[Plan, dict[str, int]]:
        return lettered(self.training.plan, self.model.architecture)

    @property
    def plan(self) -> Plan:
        """The plan over letters."""
        return self.lettered[0]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Letter → number."""
        workload = {"b": self.training.plan.micro_batch, "s": self.training.step.queries}
        return {**self.named.numbers, **self.lettered[1], **workload}

    @cached_property
    def stages(self) -> tuple[Stage, Stage]:
        """The stage with ints and over letters."""
        counted = self.named.counted()
        if shares_keys(self.training.plan, self.model.architecture):
            counted = numbered(counted, self.named.numbers)
        words = self.plan.stages(self.plan.tuned(counted))
        return self.training.stages[self.place], words[self.place]

    def sides(self, own: Block, other: Block) -> tuple[Side, Side]:
        training = self.training
        return (
            Side(own, training.step, training.plan, training.kernels),
            Side(other, step(training.step), self.plan, training.kernels),
        )

    @cached_property
    def runs(self) -> tuple[Pair, ...]:
        """The layers of the stage by block; of a whole model with how often over letters."""
        own, words = self.stages
        counts = {(pair.path, pair.times): pair.count for pair in self.named.pairs}
        found: dict[int, Pair] = {}
        first = 0
        for (path, count, ints), (_, _, other) in zip(own.layers, words.layers, strict=True):
            tower = not path.startswith("layers.")
            known = found.get(id(ints), Pair(path, ints, other, 0, 0, None if tower else first))
            number = known.times + count
            found[id(ints)] = known._replace(times=number, count=counts.get((path, number), number))
            first += 0 if tower else count
        return tuple(found.values())

    def layer(self, index: int) -> Pair:
        """The block that a layer of the trunk is. Raises PlanError for a layer that there is not."""
        layers = [block for path, count, block in self.stages[0].layers if path.startswith("layers.") for _ in range(count)]
        if index >= len(layers):
            raise PlanError(f"layer={index}", field="layer", value=index, valid=f"0 to {len(layers) - 1}")
        return next(run for run in self.runs if run.ints is layers[index])
