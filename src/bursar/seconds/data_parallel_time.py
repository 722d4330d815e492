"""Seconds of data parallelism that no pass hides: gradients reduced, weights gathered, sums over replicas."""

from __future__ import annotations

from functools import lru_cache

from bursar.dims import Dim
from bursar.machines.machine import Groups, Machine
from bursar.memory.peaks import StageLoad
from bursar.parallel import data, overlap
from bursar.plan import Plan
from bursar.seconds.block_time import Pace


def exposed(load: StageLoad, own: Pace, plan: Plan, machine: Machine, micro_batches: Dim) -> Dim:
    """Seconds of data parallelism that outlast the pass of one micro-batch that they run beside, and what it loses to them. Weights
    that are gathered for every micro-batch come block by block: the first one's are waited for."""
    total: Dim = 0
    groups, hides, price = machine.groups, "data" in plan.overlap, machine.price["data"]
    blocks = sum([times for run in load.runs for _, times in run])
    rate, parameters = plan.recipe.rate, load.parameters()
    for phase, every, sends in _sends(plan.zero, plan.reshard):
        busy: Dim = 0
        for sent in sends:
            width = rate[sent.carries]
            for (group, count), still in zip(parameters, _fetched(load, sent), strict=False):
                busy = busy + groups[group].seconds(sent.collective, count * width + still, blocks)
        if plan.shard_group is not None and any(sent.carries == "gradient" for sent in sends):
            busy = busy + _between_replicas(load, plan, groups)
        if hides:
            beside = own.forward if phase == "forward" else own.backward + own.recompute
            busy = overlap.exposed(busy, beside, price, 1 / blocks if every else 0)
        total = total + (busy * micro_batches if every else busy)
    return total


@lru_cache(maxsize=16)
def _sends(zero: int, reshard: bool) -> tuple[tuple[str, bool, tuple[data.Traffic, ...]], ...]:
    """What data parallelism sends beside the same pass, together: of every micro-batch, or of a step."""
    found: dict[tuple[str, bool], tuple[data.Traffic, ...]] = {}
    for sent in data.traffic(zero, reshard=reshard):
        key = sent.overlaps, sent.every_micro_batch
        found[key] = (*found.get(key, ()), sent)
    return tuple([(*key, sends) for key, sends in found.items()])


def _between_replicas(load: StageLoad, plan: Plan, groups: Groups) -> Dim:
    """Hybrid sharding (arXiv:2304.11277, section 3.2.2): the reduced shards of gradients are summed over the replicas."""
    width = plan.recipe.rate["gradient"]
    return sum(
        [
            groups[f"{group}_replicas"].seconds("all_reduce", parameters * width / plan.shards(group))
            for group, parameters in load.parameters()
        ]
    )


def _fetched(load: StageLoad, sent: data.Traffic) -> tuple[Dim, Dim]:
    """Bytes of frozen weights that go with those that are trained: they are fetched where they are sharded, and never updated."""
    return load.frozen if sent.carries == "weight" and sent.every_micro_batch else (0, 0)
