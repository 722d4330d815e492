"""What a rank holds: the bytes of its stage, and the highest moment of its step."""

from __future__ import annotations

from functools import cached_property

from bursar import holdings
from bursar.dims import Dim, at_least, most
from bursar.memory import moments, overheads, peaks
from bursar.memory.moments import Moment
from bursar.memory.overheads import Overhead, Reserved
from bursar.memory.peaks import Load, Memory, StageLoad
from bursar.parallel.data import Held
from bursar.parallel.schedules import schedule
from bursar.seconds import offloading
from bursar.seconds.offloading import Hosted
from bursar.training.work import Work


class Footprint(Work):
    """A job with the bytes of its ranks."""

    @cached_property
    def loads(self) -> dict[int, Load]:
        """What a rank holds for every block that differs."""
        load = peaks.load if self.plan.many else peaks.load_once
        found = {id(block): load(block, self.step, self.plan, self.kernels, mode) for block, mode in self._modes.items()}
        if "activations" in self.plan.offload:
            layers = {id(block) for stage in self.stages for _, _, block in stage.layers}
            return {block: offloading.moved(load) if block in layers else load for block, load in found.items()}
        return found

    @cached_property
    def stage_loads(self) -> tuple[StageLoad, ...]:
        return tuple([peaks.stage_load(stage, self.loads, self.waits) for stage in self.stages])

    @cached_property
    def waits(self) -> dict[int, Dim]:
        """Bytes of every block that wait for its weight gradients, where the schedule puts these off."""
        if not schedule(self.plan.schedule).splits:
            return {}
        return {id(block): peaks.waiting(block, self.step, self.plan, self.kernels) for block in self._modes}

    @cached_property
    def held(self) -> tuple[Held, ...]:
        """Parameters that one rank of every stage holds, by use."""
        if self.plan.sharding == "per-parameter":
            return tuple([peaks.held_per_parameter(stage, self.step, self.plan) for stage in self.stages])
        return tuple([peaks.held(load, self.plan) for load in self.stage_loads])

    def memory(self) -> tuple[Memory, ...]:
        """Bytes of one rank of every stage at its peak, in order."""
        return tuple([moment.memory for moment in self.moments()])

    def peak(self) -> Dim:
        """Bytes of the worst stage; of stages that hold the same, the first is the worst, unless weight gradients wait."""
        every = schedule(self.plan.schedule).splits
        return most(
            [
                self._peak(index, place)
                for place, stage in enumerate(self.stages)
                for index in (stage.indices if every else stage.indices[:1])
            ]
        )

    def _peak(self, index: int, place: int) -> Dim:
        if peaks.gradients_of(self.plan) != "allocated":
            return self._moment(index, place).memory.peak
        return moments.peak(self.standing(index, place, self.micro_batches), self.stage_loads[place], self.update_bytes(place))

    def moments(self) -> tuple[Moment, ...]:
        """The highest moment of one rank of every stage, in order."""
        return self._highest

    @cached_property
    def _highest(self) -> tuple[Moment, ...]:
        return tuple([self._moment(index, place) for index, place in self._ranks])

    @cached_property
    def _ranks(self) -> list[tuple[int, int]]:
        """The index of every stage with its place among those that differ, in order."""
        return sorted([(index, place) for place, stage in enumerate(self.stages) for index in stage.indices])

    def _moment(self, index: int, place: int) -> Moment:
        load, update, m = self.stage_loads[place], self.update_bytes(place), self.micro_batches
        gradients = peaks.gradients_of(self.plan)
        standing = self.standing(index, place, m)
        if gradients == "allocated":
            return moments.at_peak(standing, load, update)
        if gradients == "growing":
            return moments.highest(moments.growing(moments.grown(standing, load), standing, False, load, update))
        later = self.standing(index, place, m - 1)
        return moments.highest(moments.growing(standing, later, m > 1, load, update))

    def standing(self, index: int, place: int, micro_batches: Dim) -> Memory:
        """What stands on a rank while a micro-batch is at work."""
        found = peaks.of_stage(index, self.stage_loads[place], self.held[place], self.plan, micro_batches, self.runtime)
        return offloading.standing(found, self.stage_loads[place], self.plan) if self.plan.offload else found

    @cached_property
    def runtime(self) -> Dim:
        """Bytes of a rank that are no tensors of the job: measured overheads, as they usually are."""
        return overheads.runtime(self.plan, self.device, experts=self._expert)

    def overheads(self) -> tuple[Overhead, ...]:
        """The same one by one, with their bands and sources."""
        return overheads.of_plan(self.plan, self.device, experts=self._expert)

    @property
    def _expert(self) -> bool:
        """Whether there are experts on any rank."""
        held = [part for load in self.stage_loads for part in (load.experts, load.frozen[1])]
        return any(type(part) is not int or part > 0 for part in held)

    def reserved(self) -> Reserved:
        """Bytes that PyTorch's allocator reserves on the worst rank, whose tensors are exact: an estimate."""
        peaks = {index: found.peak for index, found in enumerate(self.memory())}
        worst = max(peaks, key=lambda index: peaks[index])
        stage = next(stage for stage in self.stages if worst in stage.indices)
        count = overheads.tensors(stage, self.step, self.plan, self.kernels)
        return overheads.reserved(peaks[worst] - self.runtime, count, self.device)

    def hosted(self) -> tuple[Hosted, ...]:
        """Bytes that one rank of every stage has on the host, in order."""
        plan, m, loads = self.plan, self.micro_batches, self.stage_loads
        return tuple([offloading.hosted(index, loads[place], self.held[place], plan, m) for index, place in self._ranks])

    def update_bytes(self, place: int) -> Dim:
        """Bytes held when no micro-batch is there: by the optimizer for its step, or for gradients that are reduced last."""
        there = "optimizer" not in self.plan.offload
        found = holdings.step_bytes(self.stage_loads[place].owned, self.held[place].state, self.plan) if there else 0
        return at_least(found, self.held[place].ending) if self.plan.sharding == "per-parameter" else found

    def managed(self) -> Dim:
        """Bytes of optimizer states in managed memory, on the rank that has most; the host takes what the device cannot."""
        return most([load.owned.of_rank("managed", self.plan, "state") for load in self.stage_loads])
