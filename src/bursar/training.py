"""A training job: what it holds, how long a step takes, what a run costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from bursar import holdings, ledger, recompute
from bursar.dims import Dim, at_least, most, split
from bursar.errors import PlanError
from bursar.kernels import Kernels
from bursar.ledger import Ledger
from bursar.machines.devices import Device, Rates, rates_of
from bursar.machines.host import Host, host
from bursar.machines.machine import Machine, placed
from bursar.machines.network import Network, network
from bursar.machines.roofline import Roofline, roofline
from bursar.memory import moments, overheads, peaks
from bursar.memory.moments import Moment
from bursar.memory.overheads import Overhead, Reserved
from bursar.memory.peaks import Load, Memory, StageLoad
from bursar.parallel.data import Held
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import Passes, schedule
from bursar.plan import Plan
from bursar.plan import repeated_flops as marked_flops
from bursar.rules import Job, check
from bursar.seconds import offloading, schedule_time, step_time
from bursar.seconds.offloading import Hosted
from bursar.seconds.step_time import Pace, Seconds
from bursar.step import Step
from bursar.tree import Architecture, Block


class Trainable(Protocol):
    """Anything that is built as an architecture, such as a Model."""

    @property
    def architecture(self) -> Architecture: ...


@dataclass(frozen=True, eq=False)
class Training:
    """A model trained by a plan on a device, with sequences of `length` tokens and `global_batch` of them per step.

    With ints every number is exact and every rule of `rules.py` is checked; with arrays in the plan it is many plans at once
    (`checked=False`: their mask comes from `rules.mask`).
    """

    model: Architecture | Trainable
    plan: Plan
    device: Device | None = None
    length: int = 2048
    global_batch: Dim = None  # dp · micro_batch, unless given
    mask: str = "full"
    checked: bool = True
    rates: Rates | None = None  # what the device achieves, where that was measured; else what is known of its kind

    def __post_init__(self) -> None:
        if self.global_batch is None:
            object.__setattr__(self, "global_batch", self.plan.data * self.plan.micro_batch)
        if self.checked:
            peaks = tuple(self.device.peaks) if self.device else None
            check(self.architecture, self.plan, Job(self.length, self.global_batch, peaks=peaks))

    @property
    def architecture(self) -> Architecture:
        """The model with what the plan trains of it."""
        return self.plan.tuned(self.model if isinstance(self.model, Architecture) else self.model.architecture)

    @cached_property
    def kernels(self) -> Kernels:
        """What runs the operators."""
        return self.plan.kernels_of(self.architecture.family)

    @cached_property
    def step(self) -> Step:
        """A rank's tokens of one micro-batch."""
        return Step(self.plan.micro_batch, split(self.length, self.plan.context, "seq", "cp"), 0, self.mask)

    @cached_property
    def micro_batches(self) -> Dim:
        """Micro-batches of a step on one rank."""
        return split(self.global_batch, self.plan.data * self.plan.micro_batch, "global batch", "dp·micro_batch")

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One rank of every stage that differs, each the first of its kind."""
        return self.plan.stages(self.architecture)

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

    @cached_property
    def _modes(self) -> dict[Block, str]:
        """Every block with its recompute mode: only layers are recomputed."""
        layers = {block: self.plan.mode for stage in self.stages for _, _, block in stage.layers}
        ends = {block: "none" for stage in self.stages for block in (*stage.stem, *stage.tail)}
        return {**layers, **ends}

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

    def ledger(self) -> Ledger:
        """What one micro-batch costs one rank of every stage that differs, operator by operator."""
        books = [ledger.of_stage(stage, self.step, self.plan, self.kernels) for stage in self.stages]
        return Ledger(tuple(entry for book in books for entry in book))

    def time(self) -> Seconds:
        """Seconds of a step and where they go."""
        return self.seconds

    @cached_property
    def machine(self) -> Machine:
        return placed(self.roofline, self.network, self.plan)

    @cached_property
    def roofline(self) -> Roofline:
        if self.device is None:
            raise PlanError("a time needs a device", field="device", valid="--device NAME")
        return roofline(self.device, self.plan.recipe, self.rates)

    @cached_property
    def network(self) -> Network:
        if self.device is None:
            raise PlanError("a time needs a device", field="device", valid="--device NAME")
        return network(self.device, self.plan.devices, self.rates)

    @property
    def achieved(self) -> Rates:
        """The rates that its seconds are predicted at."""
        if self.device is None:
            raise PlanError("a time needs a device", field="device", valid="--device NAME")
        return self.rates or rates_of(self.device)

    @cached_property
    def paces(self) -> dict[int, Pace]:
        """Seconds of one micro-batch through every block that differs."""
        return {
            id(block): step_time.pace(block, self.step, self.plan, self.kernels, self.machine, mode)
            for block, mode in self._modes.items()
        }

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
        return most([step_time.exposed(load, pace, self.plan, self.machine, self.micro_batches) for load, pace in ranks])

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
        if self.device is None:
            raise PlanError("a time needs a device", field="device", valid="--device NAME")
        return host(self.device)

    def _link(self) -> Dim:
        """Seconds that the rank which waits longest for its link to the host waits."""
        ranks = zip(self.stage_loads, self.held, self.passing, strict=True)
        return most([offloading.link_seconds(*rank, self.plan, self._host, self.micro_batches) for rank in ranks])

    # ── rates and costs ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def model_flops(self) -> Dim:
        """Model FLOPs of a step: forward and both gradients of every sequence."""
        return self._passes_of_a_step * sequence_flops(self.architecture, self.length, self.mask, self._together)

    @property
    def executed_flops(self) -> Dim:
        """Model FLOPs and the forward passes that recomputation runs again, by the same counting rule."""
        if self.plan.marked:
            again = marked_flops(self.architecture, self.length, self.mask, self.plan.whole, self._together)
        else:
            again = repeated_flops(self.architecture, self.length, self.mask, self.plan.recompute)
        return self.model_flops + self._passes_of_a_step * again

    @property
    def _together(self) -> int:
        """Sequences whose FLOPs are counted at once: DoRA has products that a micro-batch pays once, all others add up."""
        return self.plan.micro_batch if self.plan.adapter == "dora" else 1

    @property
    def _passes_of_a_step(self) -> Dim:
        return split(self.global_batch, self._together)

    def utilization(self, flops: Dim) -> Dim:
        """FLOPs of a step over what the devices could do in its time, at the dense peak of the dtype that runs."""
        if self.device is None:
            raise PlanError("a utilization needs a device", field="device", valid="--device NAME")
        peak = self.device.peak(self.plan.recipe.compute).si
        return flops / (self.seconds.step * self.plan.devices * peak)


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
