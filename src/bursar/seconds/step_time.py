"""Seconds of a step: every operator on the roofline, collectives, the pipeline, what data parallelism cannot hide.

    step = m·max τ + bubble + messages + exposed data parallelism + optimizer

with τ the seconds of one micro-batch on a rank and m the number of micro-batches (arXiv:2104.04473, section 2.2). Bubble and
messages are what the schedule waits for (`parallel/schedules`): of 1F1B Σ τ − max τ over all ranks. Overlap is a maximum: a
collective that runs beside a pass costs what outlasts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from bursar import recompute
from bursar.dims import Dim, at_least, at_most, choose
from bursar.formula import formula
from bursar.kernels import Kernels
from bursar.machines.machine import DEDUPLICATED, Groups, Machine, placed
from bursar.machines.network import Network
from bursar.machines.roofline import Roofline
from bursar.memory.peaks import StageLoad
from bursar.ops.attention import AttentionCore
from bursar.ops.collective import AllToAll, Collective
from bursar.ops.context import Ring
from bursar.parallel import data, overlap
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.seconds.operator_time import seconds
from bursar.step import Step
from bursar.tree import Block, Line, Op


class Pace(NamedTuple):
    """Seconds of one micro-batch."""

    forward: Dim
    backward: Dim
    recompute: Dim
    tensor_parallel: Dim
    expert_parallel: Dim
    context_parallel: Dim
    launching: Dim = 0  # what launching its kernels outlasts them


class Seconds(NamedTuple):
    """Where a step's time goes, on the stage that sets the pace; the parts add up to the step."""

    forward: Dim
    backward: Dim
    recompute: Dim
    tensor_parallel: Dim
    expert_parallel: Dim
    context_parallel: Dim
    bubble: Dim
    pipeline: Dim
    data_parallel: Dim
    optimizer: Dim
    offload: Dim = 0
    launching: Dim = 0

    @property
    def step(self) -> Dim:
        return sum(self)


class Timed(NamedTuple):
    """A line of a block, with the seconds of its forward and its backward pass."""

    line: Line
    there: Dim
    back: Dim


def timed(block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine) -> Iterator[Timed]:
    """The lines of a block in order."""
    rate, roof = plan.recipe.rate, machine.roofline
    for line in block.walk(step):
        if isinstance(line.op, Collective):
            yield Timed(line, *collective(line, line.op, rate["activation"], machine, plan))
        else:
            yield Timed(line, *seconds(line, kernels.of(line.op), rate, roof))


def pace(
    block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine, mode: str, lines: Iterable[Timed] | None = None
) -> Pace:
    """Seconds of one micro-batch through one block; `lines` are those of the block before it is recomputed, if they are known."""
    forward: Dim = 0
    backward: Dim = 0
    again: Dim = 0
    talk = {group: _Talk() for group in ("tensor", "expert", "context")}
    products = _Talk()
    around = _Context()
    launched = 0
    hides = "tensor" in plan.overlap and plan.sequence
    every = timed(block, step, plan, kernels, machine) if lines is None else _again(block, step, lines)
    for line, there, back in every:
        op = line.op
        again_too = recompute.runs_again(op, mode)
        if isinstance(op, Collective):
            if op.group == "context":
                around.sends(op, there, back)
                there = back = 0
            talk[op.group].add(there, back, _launches(op, again_too), twice=again_too)
            continue
        if type(there) is int and there == 0:
            continue
        launched += _launches(op, again_too)
        forward = forward + there
        backward = backward + back
        if hides and op.engine == "matmul":
            products.add(there, back)
        if isinstance(op, AttentionCore):
            around.attends(there, back, twice=again_too)
        if again_too:
            again = again + there
    backward = backward + accumulation(block, plan, machine)
    tensor = _beside_products(talk["tensor"], products, plan, machine) if hides else talk["tensor"].all
    routed = talk["expert"].all
    if "expert" in plan.overlap:
        routed = overlap.exposed(routed, forward + backward, machine.price["expert"])
    own = Pace(forward, backward, again, tensor, routed, around.exposed())
    if plan.launch == "graph":
        return own
    calls = launched + sum([said.calls * at_most(_ways(plan, group) - 1, 1) for group, said in talk.items() if said.calls])
    return own._replace(launching=launching(calls, machine.launch, sum(own)))


def pace_once(block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine, mode: str) -> Pace:
    """The same for plans of ints, once for all plans that cut the block alike."""
    return _paces(block, step, plan.within, kernels, machine.roofline, machine.network, mode)


@lru_cache(maxsize=1024)
def _paces(block: Block, step: Step, plan: Plan, kernels: Kernels, roof: Roofline, network: Network, mode: str) -> Pace:
    return pace(block, step, plan, kernels, placed(roof, network, plan), mode)


def _again(block: Block, step: Step, lines: Iterable[Timed]) -> Iterator[Timed]:
    """The lines of a recomputed block, whose operators are marked, with the same seconds."""
    return (known._replace(line=line) for line, known in zip(block.walk(step), lines, strict=True))


@formula("seconds that the host takes beyond the kernels it launches", "s", "vtrain")
def launching(calls: Dim, each: Dim, busy: Dim) -> Dim:
    """A device waits where its kernels are shorter than their launches, all together."""
    return at_least(calls * each - busy, 0)


def accumulation(block: Block, plan: Plan, machine: Machine) -> Dim:
    """Seconds of adding a block's gradients to buffers, where the backward pass makes them apart. Fused products add them."""
    if plan.grad_buffer != "accumulated":
        return 0
    width = plan.recipe.rate["weight"] + 2 * plan.recipe.rate["gradient"]
    return machine.roofline.traffic(sum(block.trained), width)


class _Talk:
    """Seconds forward and backward, and how often the host calls."""

    def __init__(self) -> None:
        self.there: Dim = 0
        self.back: Dim = 0
        self.calls = 0

    def add(self, there: Dim, back: Dim, calls: int = 0, *, twice: bool = False) -> None:
        self.there = self.there + (2 * there if twice else there)
        self.back = self.back + back
        self.calls += calls

    @property
    def all(self) -> Dim:
        return self.there + self.back


def _launches(op: Op, again: bool) -> int:
    """Passes in which the host launches an operator."""
    if isinstance(op, Collective):
        return bool(op.forward) * (1 + again) + bool(op.backward and not op.still)
    return 1 + again + (not op.still)


def _ways(plan: Plan, group: str) -> Dim:
    """Ranks of a group that talks within a micro-batch."""
    return {"tensor": plan.tensor, "expert": plan.expert, "context": plan.context}[group]


def _beside_products(said: _Talk, products: _Talk, plan: Plan, machine: Machine) -> Dim:
    """Seconds of tensor parallelism that the products do not hide."""
    price, first = machine.price["tensor"], 1 / plan.tensor
    there = overlap.exposed(said.there, products.there, price, first)
    return there + overlap.exposed(said.back, products.back, price, first)


class _Context:
    """What a block sends to its context group: a ring runs beside the attention core and costs what outlasts it, the rest waits.
    Where the core runs again, keys and values come again."""

    def __init__(self) -> None:
        self.waits: tuple[Dim, Dim] = (0, 0)
        self.ring: tuple[Dim, Dim] | None = None
        self.core: tuple[Dim, Dim] = (0, 0)
        self.passes = 1

    def sends(self, op: Collective, there: Dim, back: Dim) -> None:
        if isinstance(op, Ring):
            before = self.ring or (0, 0)
            self.ring = before[0] + there, before[1] + back
        else:
            self.waits = self.waits[0] + there, self.waits[1] + back

    def attends(self, there: Dim, back: Dim, *, twice: bool) -> None:
        if self.ring:
            self.core = self.core[0] + there, self.core[1] + back
        self.passes = 2 if twice else 1

    def exposed(self) -> Dim:
        there, back = self.waits
        if self.ring:
            there = there + at_least(self.ring[0] - self.core[0], 0)
            back = back + at_least(self.ring[1] - self.core[1], 0)
        return self.passes * there + back


def collective(line: Line, op: Collective, width: int | Fraction, machine: Machine, plan: Plan) -> tuple[Dim, Dim]:
    """Seconds of a collective's forward and backward pass, none of it hidden."""
    payload = op.payload(line.step) * width
    group = machine.groups[op.group]
    if plan.expert_comm == DEDUPLICATED and type(op) is AllToAll:
        one_way = group.deduplicated(payload, op.top_k)
        return one_way, 0 if op.still else one_way
    there = sum([group.seconds(kind, payload) for kind in op.forward])
    back = 0 if op.still else sum([group.seconds(kind, payload) for kind in op.backward])
    if type(op) is not AllToAll:
        return there, back
    sorting = _sorting(line, op, payload, machine)
    return there + sorting, back if op.still else back + sorting


def _sorting(line: Line, op: Collective, payload: Dim, machine: Machine) -> Dim:
    """Seconds of putting copies that arrived from rank after rank in the order of the experts, or back, where there are several;
    and of padding each expert's to blocks that narrow products take, or back (Megatron-Core, TEGroupedMLP.quantization_padding)."""
    several = at_most(line.instances - 1, 1) * at_most(op.ways - 1, 1)
    sorting = several * machine.roofline.moved("experts", 2 * payload, 1)
    return sorting + machine.roofline.traffic(2 * payload, 1) if machine.roofline.cast_bytes else sorting


def of_stage(stage: Stage, paces: dict[int, Pace]) -> Pace:
    """Seconds of one micro-batch through a stage."""
    sums: list[Dim] = [0] * len(Pace._fields)
    for block, times in stage.blocks():
        sums = [total + part * times for total, part in zip(sums, paces[id(block)], strict=True)]
    return Pace(*sums)


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


@formula("bytes that an optimizer step moves", "B")
def update_bytes(parameters: Dim, gradient: Dim, weight: Dim, master: Dim, state: Dim) -> Dim:
    """Per parameter: read the gradient, read and write states and masters, write the working weight."""
    return parameters * (gradient + 2 * state + choose(master > 0, 2 * master + weight, 2 * weight))


def slowest(paces: tuple[Pace, ...]) -> Pace:
    """The stage that sets the pace."""
    best, longest = paces[0], sum(paces[0])
    for other in paces[1:]:
        seconds = sum(other)
        wins = seconds > longest
        best = Pace(*[choose(wins, new, old) for new, old in zip(other, best, strict=True)])
        longest = at_least(longest, seconds)
    return best
