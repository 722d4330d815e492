"""How long a step takes: what its ranks compute, send and wait for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from bursar import holdings
from bursar.dims import Dim, most, split
from bursar.machines.host import Host, host
from bursar.parallel.schedules import Passes, schedule
from bursar.seconds import block_time, data_parallel_time, offloading, schedule_time, step_time
from bursar.seconds.block_time import Pace
from bursar.seconds.step_time import Seconds
from bursar.training.footprint import Footprint


class Timing(Footprint):
    """A job with the bytes and the seconds of its ranks."""

    def time(self) -> Seconds:
        """Seconds of a step and where they go."""
        return self.seconds

    @cached_property
    def paces(self) -> dict[int, Pace]:
        """Seconds of one micro-batch through every block that differs."""
        pace = block_time.pace if self.plan.many else block_time.pace_once
        job = self.step, self.plan, self.kernels, self.machine
        return {id(block): pace(block, *job, mode) for block, mode in self._modes.items()}

    @cached_property
    def seconds(self) -> Seconds:
        """The step's time by what it goes to."""
        pace = step_time.slowest(self.passing)
        bubble, messages = self.idle
        return Seconds(
            **{name: part * self.rounds for name, part in pace._asdict().items()},
            bubble=bubble,
            pipeline=messages,
            data_parallel=self.exposed,
            optimizer=self._update(),
            offload=self._link() if self.plan.offload else 0,
        )

    @cached_property
    def passing(self) -> tuple[Pace, ...]:
        """Seconds of one micro-batch through one rank of every stage that differs, by what they go to."""
        return tuple([step_time.of_stage(stage, self.paces) for stage in self.stages])

    @cached_property
    def passes(self) -> tuple[Dim, ...]:
        """All of them together."""
        return tuple([sum(pace) for pace in self.passing])

    @cached_property
    def rounds(self) -> Dim:
        """Micro-batches that pass through a rank in one direction."""
        return split(self.micro_batches, schedule(self.plan.schedule).copies, "micro-batches", "ways")

    @property
    def exposed(self) -> Dim:
        """Seconds of data parallelism that nothing hides, on the rank that has most."""
        ranks = zip(self.stage_loads, self.passing, strict=True)
        return most([data_parallel_time.exposed(load, pace, self.plan, self.machine, self.micro_batches) for load, pace in ranks])

    @cached_property
    def idle(self) -> tuple[Dim, Dim]:
        """What the slowest rank waits for beside its own passes: the passes of other ranks, and messages."""
        kind, ranks = schedule(self.plan.schedule), self.plan.pipeline
        counts, chunks = [len(stage.indices) for stage in self.stages], kind.chunks(self.plan.virtual)
        around = sum([seconds * n for seconds, n in zip(self.passes, counts, strict=True)]) - most(list(self.passes))
        if ranks == 1:
            return around, 0.0
        if kind.splits:
            passes = schedule_time.beside_the_slowest(self._passes(), counts, chunks)
        else:
            passes = Passes(around / ((ranks - 1) * chunks), 0, 0)
        bubble = kind.idle(passes, ranks, chunks, self.micro_batches)
        return bubble, kind.idle(passes._replace(message=self._message), ranks, chunks, self.micro_batches) - bubble

    def _passes(self) -> list[Passes]:
        """The passes of one rank of every stage, weight gradients apart."""
        apart = [sum([self.weight_passes[id(block)] * times for block, times in stage.blocks()]) for stage in self.stages]
        return [schedule_time.parted(*of, self._whole) for of in zip(self.passing, apart, strict=True)]

    @cached_property
    def weight_passes(self) -> dict[int, Dim]:
        """Seconds of the weight gradients of every block that differs."""
        job = self.step, self.plan, self.kernels, self.machine
        return {id(block): schedule_time.weight_pass(block, *job) for block in self._modes}

    @property
    def _whole(self) -> Any:
        """Whether all of a layer is recomputed."""
        return self.plan.recompute.startswith("full")

    @property
    def _message(self) -> Dim:
        """Seconds of a micro-batch's message from a rank to the next."""
        boundary = self.step.tokens * self._hidden * self.plan.recipe.rate["upcast" if self.plan.recipe.autocast else "activation"]
        spread = self.plan.tensor if self.plan.sequence else 1
        return self.machine.network.message(boundary / spread, self.plan.tensor * self.plan.data_context)

    @property
    def _hidden(self) -> Dim:
        return self.architecture.trunk[0].block.lines["x"].width

    def _update(self) -> Dim:
        """Seconds of the optimizer on the rank that needs most: its traffic, and the products of whole matrices."""
        if "optimizer" in self.plan.offload:
            return offloading.update_seconds(self.stage_loads, self.held, self.plan, self._host)
        rate, states, roof = self.plan.recipe.rate, self.plan.states, self.machine.roofline
        widths = rate["gradient"], rate["weight"], rate["master"]
        if states.flat:
            owned = most([held.state for held in self.held])
            return step_time.update_bytes(owned, *widths, states.bytes_per_parameter) / roof.memory
        moved = [step_time.update_bytes(held.state, *widths, 0) for held in self.held]
        kept = [holdings.all_states(load.owned, self.plan) for load in self.stage_loads]
        flops = [load.owned.of_rank("flops", self.plan, "state") for load in self.stage_loads]
        return most([(m + 2 * k) / roof.memory + f / roof.matmul for m, k, f in zip(moved, kept, flops, strict=True)])

    @property
    def _host(self) -> Host:
        return host(self._given)

    def _link(self) -> Dim:
        """Seconds that the rank which waits longest for its link to the host waits."""
        ranks = zip(self.stage_loads, self.held, self.passing, strict=True)
        return most([offloading.link_seconds(*rank, self.plan, self._host, self.micro_batches) for rank in ranks])
