"""What offload does to a stage: the bytes that leave the device, those that the host holds, and the seconds that it costs.

On the device stay buffers of what is on its way: of states a shard of the largest block (before weights are gathered, after
gradients are scattered), of activations a layer's; beside them the whole tensors that sharding makes for the block at work. An
update on the host needs nothing of the device. The last layer of the micro-batch at work never leaves.

The host's seconds are those of its memory: the devices of a node share it for their updates, while every device has its own link.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from bursar import holdings
from bursar.dims import Dim, at_least, at_most, most
from bursar.errors import PlanError
from bursar.machines.host import Host
from bursar.memory.peaks import Load, Memory, StageLoad
from bursar.memory.peaks import of_stage as standing_of
from bursar.parallel import data, offload, schedules
from bursar.parallel.data import Held
from bursar.parallel.offload import Traffic, Way
from bursar.plan import Plan
from bursar.precision import size
from bursar.seconds.block_time import Pace
from bursar.seconds.step_time import update_bytes


class Hosted(NamedTuple):
    """Bytes that one rank of a stage has on the host."""

    weights: Dim
    gradients: Dim
    master_weights: Dim
    optimizer_state: Dim
    activations: Dim

    @property
    def total(self) -> Dim:
        return sum(self)


NOTHING = Hosted(0, 0, 0, 0, 0)


def moved(load: Load) -> Load:
    """A layer whose kept tensors leave the device between its passes."""
    return load._replace(kept=0, moved=load.kept)


def staged(load: StageLoad, plan: Plan) -> Dim:
    """Bytes of activations on their way: those of a layer beside the one at work."""
    return most([part.moved for run in load.runs for part, _ in run]) if "activations" in plan.offload else 0


def standing(found: Memory, load: StageLoad, plan: Plan) -> Memory:
    """What stands on the device of what a rank holds."""
    gone = dict.fromkeys(offload.leaves(plan.offload, plan.zero), 0)
    return found._replace(
        **gone, activations=found.activations + staged(load, plan), temporary=found.temporary + _in_transit(load, plan)
    )


def _in_transit(load: StageLoad, plan: Plan) -> Dim:
    """Bytes of the shards of a block's weights and gradients that are on their way."""
    if plan.sharding == "per-parameter":
        return 0  # part of what passes (`fsdp.on_the_way`)
    rate, alone = plan.recipe.rate, [part for run in load.runs for part, _ in run]
    shards = [_shard(part.dense, part.experts, plan) for part in alone]
    moving: Dim = 0
    if "parameters" in plan.offload:
        frozen = [_shard(*part.frozen, plan) for part in alone]
        moving = most([size(own, rate["weight"]) + other for own, other in zip(shards, frozen, strict=True)])
    if "gradients" in offload.leaves(plan.offload, plan.zero):
        moving = moving + most([size(own, rate["gradient"]) for own in shards])
    return moving


def _of_masters(plan: Plan) -> bool:
    """Whether shards cross the link in the masters' format: FSDP2 shards those, and casts on the device."""
    return plan.sharding == "per-parameter" and plan.recipe.master is not None


def _shard(dense: Dim, experts: Dim, plan: Plan) -> Dim:
    groups = zip(holdings.GROUPS, (dense, experts), strict=True)
    return sum([data.held(amount, plan.shards(group), 3).weight for group, amount in groups])


# ── the host ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def hosted(index: int, load: StageLoad, own: Held, plan: Plan, micro_batches: Dim) -> Hosted:
    """What one rank has on the host: what the device does not have, and the gradients that an update reads there."""
    if not plan.offload:
        return NOTHING
    whole = standing_of(index, load, own, replace(plan, offload=()), micro_batches)
    gone = {name: getattr(whole, name) for name in offload.leaves(plan.offload, plan.zero)}
    if "optimizer" in plan.offload and plan.zero < 2:
        gone["gradients"] = size(own.state, plan.recipe.rate["gradient"])
    return NOTHING._replace(**gone, activations=_hosted_activations(index, load, plan, micro_batches))


def _hosted_activations(index: int, load: StageLoad, plan: Plan, micro_batches: Dim) -> Dim:
    """Of all micro-batches in flight what layers keep, but for the last layer of the one at work."""
    if "activations" not in plan.offload:
        return 0
    chunks = [sum([part.moved * times for part, times in run]) for run in load.runs]
    flights = schedules.in_flight(plan.schedule, index, plan.pipeline, plan.virtual, micro_batches)
    held = most([sum([flight.whole * chunk for flight, chunk in zip(moment, chunks, strict=True)]) for moment in flights])
    return at_least(held - staged(load, plan), 0)


# ── seconds ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def traffic(load: StageLoad, own: Held, plan: Plan) -> Traffic:
    """What crosses the link of a rank of a stage: beside the passes of one micro-batch, and around the update."""
    whole, rate = standing_of(0, load, own, replace(plan, offload=()), 1), plan.recipe.rate
    return offload.traffic(
        plan.offload,
        plan.zero,
        fetched=whole.master_weights if _of_masters(plan) else whole.weights,
        gradients=whole.gradients,
        updated=Way(size(own.state, rate["gradient"]), size(own.state, rate["weight"])),
        activations=_leaving(load, plan),
        reshard=plan.reshard,
    )


def _leaving(load: StageLoad, plan: Plan) -> Dim:
    """Bytes that leave of what the layers keep of a micro-batch: where its backward pass follows at once, the last layer's stay."""
    every = sum([part.moved * times for run in load.runs for part, times in run])
    return every - staged(load, plan) if plan.pipeline == 1 else every


def link_seconds(load: StageLoad, own: Held, pace: Pace, plan: Plan, host: Host, micro_batches: Dim) -> Dim:
    """Seconds of a step that a rank waits for its link."""
    found = traffic(load, own, plan)
    forward = offload.exposed(*found.forward, host.link, pace.forward)
    backward = offload.exposed(*found.backward, host.link, pace.backward + pace.recompute)
    return (forward + backward) * micro_batches + offload.around(*found.step, host.link)


def update_seconds(loads: tuple[StageLoad, ...], held: tuple[Held, ...], plan: Plan, host: Host) -> Dim:
    """Seconds of the host's update for the rank that needs most, if all ranks of its node do."""
    rate, states = plan.recipe.rate, plan.states
    if states.products is not None:
        raise PlanError(
            f"offload=optimizer with {plan.optimizer}: how fast a host runs its matrix products is not in the catalog",
            field="offload", value=plan.optimizer, valid="an optimizer that works element by element",
        )  # fmt: skip
    widths = rate["gradient"], rate["weight"], rate["master"]
    states_of = [holdings.all_states(load.owned, plan) for load in loads] if not states.flat else [0] * len(loads)
    each = states.bytes_per_parameter or 0 if states.flat else 0
    bytes_ = [update_bytes(own.state, *widths, each) + 2 * kept for own, kept in zip(held, states_of, strict=True)]
    return offload.host_step(most(bytes_), at_most(plan.devices, host.devices), host.memory)
