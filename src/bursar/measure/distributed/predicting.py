"""What bursar predicts that ranks send in a step under PyTorch's engine: collectives by mesh dimension.

The ledger's collectives and `parallel.data.traffic` say what is sent; where PyTorch sends something else than these (Megatron's)
rules, the difference is a line of its own with its cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar.dims import product
from bursar.measure.distributed.parameters import BUFFERS, of_chunk, shares, stage_of, trained
from bursar.ops.collective import Collective
from bursar.ops.elementwise import Bias
from bursar.ops.linear import Loss
from bursar.parallel import data
from bursar.parallel.schedules import schedule
from bursar.precision import size
from bursar.training import Training
from bursar.tree import Block

LEDGER = "ledger"
FP32 = 4  # bytes of a number that is FP32 whatever the recipe
FULL = 3  # the stage of ZeRO that FSDP2 is, with weights that are sharded again after the forward pass or not


class Sent(NamedTuple):
    """Collectives of a step on one rank: over which mesh dimension, what, how many, the bytes that they join together, and why:
    "ledger", or what PyTorch does otherwise."""

    dimension: str
    collective: str
    calls: int
    bytes: int
    cause: str = LEDGER

    def times(self, number: int, cause: str = LEDGER) -> Sent:
        """The same so many times."""
        return self._replace(calls=number * self.calls, bytes=number * self.bytes, cause=cause)


def sent(job: Training, index: int) -> list[Sent]:
    """The collectives of a rank at a pipeline index, for all micro-batches of a step."""
    sharded = _sharded if job.plan.zero == FULL else _replicated
    found = [*_regions(job, index), *_loss(job, index), *_parts(job, index), *sharded(job, index), *_messages(job, index)]
    return [one for one in found if one.calls]


# ── tensor and expert parallelism ───────────────────────────────────────────────────────────────────────────────────────


def _regions(job: Training, index: int) -> Iterator[Sent]:
    """What the ledger has of them: of every collective among several ranks the whole tensor that it joins."""
    for block, times in stage_of(job, index).blocks():
        for line in block.walk(job.step):
            if isinstance(line.op, Collective) and line.op.ways > 1:
                count = times * job.micro_batches
                value = count * int(size(line.op.payload(line.step), job.plan.recipe.rate["activation"]))
                for kind in (*line.op.forward, *line.op.backward):
                    yield Sent(line.op.group, kind, count, value)


def _loss(job: Training, index: int) -> Iterator[Sent]:
    """Of logits that are cut by vocabulary: the maximum, the sum of exponentials and the score of the label of every token."""
    if job.plan.tensor > 1 and any(isinstance(op, Loss) for block in stage_of(job, index).tail for op in block.lines.values()):
        numbers = 3 * job.micro_batches
        yield Sent("tensor", "all_reduce", numbers, numbers * int(job.step.tokens) * FP32, "loss")


def _parts(job: Training, index: int) -> Iterator[Sent]:
    """Gradients that each rank has a part of: with sequence parallelism those of all weights outside regions, from the rank's own
    tokens, else those of norms of heads, from its own heads. (A bias after a row-cut product gets its gradient from all tokens.)

    They are added up once a step, or before FSDP2 scatters those of a micro-batch; of a pipeline it scatters sums."""
    plan = job.plan
    if plan.tensor == 1:
        return
    sharded, piped = plan.zero == FULL, plan.pipeline > 1
    each = job.micro_batches if sharded and not piped else 1
    rate = plan.recipe.rate["gradient" if sharded and piped else "weight"]
    whole = next(stage for stage in plan.whole.stages(job.architecture) if index in stage.indices)
    for (block, times), (before, _) in zip(stage_of(job, index).blocks(), whole.blocks(), strict=True):
        for name, op in block.lines.items():
            inside = name in before.lines and op.width != before.lines[name].width
            if op.copies != plan.tensor or isinstance(op, Bias) or not (plan.sequence or inside):
                continue
            sizes = [product(shape) for weight, shape in op.shapes().items() if weight not in BUFFERS]
            bytes_ = each * times * int(size(sum(sizes), rate))
            yield Sent("tensor", "all_reduce", each * times * len(sizes), bytes_, "parts")


# ── data parallelism ────────────────────────────────────────────────────────────────────────────────────────────────────


class Unit(NamedTuple):
    """Of FSDP2, and how many there are: the ranks it is shared by, elements with their padding, and of one rank."""

    dimension: str
    times: int
    whole: int
    shard: int
    root: bool


def _units(job: Training, index: int) -> Iterator[Unit]:
    """Of every chunk the root, the layers, and apart from them experts that several ranks share."""

    def unit(group: str, times: int, blocks: tuple[Block, ...], *, root: bool) -> Iterator[Unit]:
        ways = job.plan.shards(group)
        shard = sum(one.shard(ways) for block in blocks for one in trained(job, block) if one.group == group)
        if shard and (ways > 1 or group == "data"):
            yield Unit(group, times, shard * int(ways), shard, root)

    for chunk in stage_of(job, index).chunks:
        yield from unit("data", 1, (*chunk.stem, *chunk.tail), root=True)
        for _, times, block in chunk.layers:
            yield from unit("data", times, (block,), root=False)
            yield from unit("expert_data", times, (block,), root=False)


def _sharded(job: Training, index: int) -> Iterator[Sent]:
    """FSDP2: what `data.traffic` says of all weights, unit by unit; but the root stays whole from its forward to its backward pass,
    replicas add up their shards, and a pipeline gathers weights and scatters gradients once a step."""
    plan, rate, m = job.plan, job.plan.recipe.rate, job.micro_batches
    for unit in _units(job, index):
        for one in data.traffic(plan.zero, reshard=plan.reshard):
            once = Sent(unit.dimension, one.collective, unit.times, unit.times * int(size(unit.whole, rate[one.carries])))
            yield once.times(m)
            if plan.pipeline > 1:
                yield once.times(1 - m, "pipeline")
            if unit.root and one.carries == "weight" and one.overlaps == "backward":
                yield once.times(-m, "root")
        if plan.replicas > 1:
            value = unit.times * int(size(unit.shard, rate["gradient"]))
            yield Sent("replicate", "all_reduce", unit.times, value).times(m, "replicas")


def _replicated(job: Training, index: int) -> Iterator[Sent]:
    """DistributedDataParallel adds up the gradients of a chunk in one bucket, also where ZeRO-1 scatters them; then
    ZeroRedundancyOptimizer has every rank broadcast the parameters that it updates."""
    plan, rate = job.plan, job.plan.recipe.rate
    if plan.data == 1:
        return
    chunks = [sum(one.size for one in of_chunk(job, chunk)) for chunk in stage_of(job, index).chunks]
    for one in data.traffic(plan.zero):
        whole = Sent("data", one.collective, len(chunks), int(size(sum(chunks), rate[one.carries])))
        yield whole
        if plan.zero and one.carries == "gradient":
            yield whole.times(-1, "bucket")
            yield whole._replace(collective="all_reduce", cause="bucket")
        if plan.zero and one.carries == "weight":
            yield whole.times(-1, "owners")
            nothing = shares(job, index).count(0)  # ranks that have one number to broadcast in the place of parameters
            yield whole._replace(collective="broadcast", calls=plan.data, bytes=whole.bytes + nothing * FP32, cause="owners")


# ── pipelines ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _messages(job: Training, index: int) -> Iterator[Sent]:
    """Activations to the next chunk and their gradients to the one before, where another rank has it."""
    plan, kind = job.plan, schedule(job.plan.schedule)
    if plan.pipeline == 1:
        return
    each, last = kind.chunks(plan.virtual), kind.numbered(plan.pipeline, plan.virtual) - 1
    owner = {chunk: rank for rank in range(plan.pipeline) for chunk in kind.place(rank, plan.pipeline, each)}
    ends = [to for chunk in kind.place(index, plan.pipeline, each) for to in (chunk + 1, chunk - 1) if 0 <= to <= last]
    count = sum(owner[to] != index for to in ends) * job.micro_batches
    hidden = job.architecture.trunk[0].block.lines["x"].width
    shared = plan.tensor if plan.sequence else 1
    yield Sent("pipeline", "send", count, count * int(job.step.tokens) * hidden * int(plan.recipe.rate["activation"]) // shared)
