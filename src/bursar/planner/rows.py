"""The plans of one pipeline: columns of a stack under every recompute mode, as a training whose costs are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bursar.dims import Dim, most
from bursar.memory import moments, peaks
from bursar.memory.peaks import Load
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import schedule
from bursar.plan import Plan
from bursar.planner.stack import Cost
from bursar.seconds import offloading
from bursar.seconds.block_time import Pace
from bursar.training import Training

# what does not depend on how states are sharded
SHARED = (
    "kernels", "step", "micro_batches", "rounds", "stage_loads", "waits", "work", "flights", "roofline", "network", "passing",
    "passes", "idle",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rows(Training):
    """Plans that differ in degrees (columns) and recompute mode (rows)."""

    cut: tuple[Stage, ...] = ()
    costs: Mapping[int, Cost] = field(default_factory=dict)  # by the id of the block
    whole: Any = False  # whether all of a layer is recomputed, mode by mode
    measured: Any = 0  # bytes that are no tensors

    def sharded(self, plan: Plan, runtime: Any) -> Rows:
        """The same with states that are sharded otherwise; what is known of both stays known."""
        other = replace(self, plan=plan, measured=runtime)
        vars(other).update({name: known for name, known in vars(self).items() if name in SHARED})
        return other

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        return self.cut

    @cached_property
    def loads(self) -> dict[int, Load]:
        return {block: cost.load for block, cost in self.costs.items()}

    @cached_property
    def paces(self) -> dict[int, Pace]:
        return {block: cost.pace for block, cost in self.costs.items()}

    @cached_property
    def waits(self) -> dict[int, Dim]:
        return {block: cost.waits for block, cost in self.costs.items()} if schedule(self.plan.schedule).splits else {}

    @cached_property
    def weight_passes(self) -> dict[int, Dim]:
        return {block: cost.weight for block, cost in self.costs.items()}

    @property
    def _whole(self) -> Any:
        return self.whole

    @cached_property
    def runtime(self) -> Dim:
        return self.measured

    @cached_property
    def flights(self) -> tuple[Dim, ...]:
        """Bytes of all micro-batches in flight on the rank of each kind that has most."""
        every = schedule(self.plan.schedule).splits
        ranks = [stage.indices if every else stage.indices[:1] for stage in self.stages]
        return tuple([peaks.most_in_flight(*of, self.plan, self.micro_batches) for of in zip(ranks, self.stage_loads, strict=True)])

    @cached_property
    def work(self) -> tuple[Dim, ...]:
        """Bytes that a block at work adds to what stands on a rank of each kind."""
        return tuple([moments.work(load) for load in self.stage_loads])

    def peak(self) -> Dim:
        return most([self._highest_of(place) for place in range(len(self.stages))])

    def _highest_of(self, place: int) -> Dim:
        load, own = self.stage_loads[place], self.held[place]
        standing = peaks.standing(load, own, self.plan, (self.flights[place], 0), self.runtime)
        if self.plan.offload:
            standing = offloading.standing(standing, load, self.plan)
        return moments.peak_beside(standing, self.work[place], self.update_bytes(place))

    def step_seconds(self) -> Dim:
        """Seconds of a step: `seconds.step`, its parts taken together."""
        found = most(list(self.passes)) * self.rounds + sum(self.idle) + self.exposed + self._update()
        return found + self._link() if self.plan.offload else found
