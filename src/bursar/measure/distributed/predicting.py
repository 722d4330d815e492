"""What bursar predicts of a step under PyTorch's engine: collectives by mesh dimension, and bytes that every rank holds.

The ledger's `sent` entries and `parallel.data.traffic` say what is sent; where PyTorch sends or holds something else than these
(Megatron's) rules, the difference is a line of its own with its cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar.dims import product
from bursar.ledger import of_stage
from bursar.ops.collective import AllToAll
from bursar.ops.elementwise import RMSNorm
from bursar.ops.linear import Embedding, Head, Loss
from bursar.parallel import data, fsdp
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import schedule
from bursar.precision import size
from bursar.training import Training
from bursar.tree import Block

LEDGER = "ledger"
FP32 = 4  # bytes of a number of the loss, which PyTorch takes in FP32


class Sent(NamedTuple):
    """Collectives of a step on one rank: over which mesh dimension, what, how many, the bytes that they join together, and why:
    "ledger", or what PyTorch does otherwise."""

    dimension: str
    collective: str
    calls: int
    bytes: int
    cause: str = LEDGER


class Kept(NamedTuple):
    """Bytes of one rank."""

    part: str
    bytes: int
    cause: str = LEDGER


def stage_of(job: Training, index: int) -> Stage:
    """What the ranks of a pipeline index hold."""
    return next(stage for stage in job.stages if index in stage.indices)


def sent(job: Training, index: int) -> list[Sent]:
    """The collectives of a rank at a pipeline index, for all micro-batches of a step."""
    return [*_regions(job, index), *_loss(job, index), *_norms(job, index), *_sharded(job, index), *_messages(job, index)]


def _regions(job: Training, index: int) -> Iterator[Sent]:
    """Tensor and expert parallelism, as the ledger has them."""
    degrees = {"tensor": job.plan.tensor, "expert": job.plan.expert}
    book = of_stage(stage_of(job, index), job.step, job.plan, job.kernels)
    for entry in book.where(quantity="sent"):
        dimension = "expert" if entry.op == AllToAll.__name__ else "tensor"
        if degrees[dimension] > 1:
            yield Sent(dimension, entry.kind, entry.times * job.micro_batches, entry.value * job.micro_batches)


def _loss(job: Training, index: int) -> Iterator[Sent]:
    """Of logits that are cut by vocabulary: the maximum, the sum of exponentials and the score of the label of every token."""
    if job.plan.tensor > 1 and any(isinstance(op, Loss) for block in stage_of(job, index).tail for op in block.lines.values()):
        numbers = 3 * job.micro_batches
        yield Sent("tensor", "all_reduce", numbers, numbers * int(job.step.tokens) * FP32, "loss")


def _norms(job: Training, index: int) -> Iterator[Sent]:
    """Gradients of norms, which every rank has of its own tokens alone with sequence parallelism: once a step, or before FSDP2
    scatters those of a micro-batch."""
    if not (job.plan.sequence and job.plan.tensor > 1):
        return
    each = job.micro_batches if job.plan.zero else 1
    for block, times in stage_of(job, index).blocks():
        for op in block.lines.values():
            if isinstance(op, RMSNorm):
                tensors = [product(shape) for shape in op.shapes().values()]
                value = size(sum(tensors), job.plan.recipe.rate["weight"])
                yield Sent("tensor", "all_reduce", each * times * len(tensors), each * times * value, "norms")


class Gathered(NamedTuple):
    """A unit of FSDP2 and how many there are: the ranks it is shared by, elements with their padding, and of one rank."""

    dimension: str
    times: int
    whole: int
    shard: int
    root: bool


def _units(job: Training, index: int) -> Iterator[Gathered]:
    """The root, the layers, and apart from them experts that several ranks share."""
    stage = stage_of(job, index)
    ends = [(block, 1) for block in (*stage.stem, *stage.tail)]
    yield Gathered("data", 1, *_parameters(job, ends, "data"), root=True)
    for _, times, block in stage.layers:
        yield Gathered("data", times, *_parameters(job, [(block, 1)], "data"), root=False)
        if job.plan.expert > 1 and job.plan.shards("expert_data") > 1:
            yield Gathered("expert_data", times, *_parameters(job, [(block, 1)], "expert_data"), root=False)


def _parameters(job: Training, blocks: list[tuple[Block, int]], group: str) -> tuple[int, int]:
    """Elements of the parameters of some blocks that a group of ranks shares: whole with padding, and of one rank."""
    ways, shard = job.plan.shards(group), 0
    apart = job.plan.expert > 1
    for block, _ in blocks:
        for line in block.walk(job.step):
            if ("expert_data" if line.nested and apart else "data") == group:
                for shape in line.op.shapes().values():
                    shard += fsdp.chunk((line.instances, *shape) if line.nested else shape, ways)
    return shard * ways, shard


def _sharded(job: Training, index: int) -> Iterator[Sent]:
    """FSDP2: what `data.traffic` says of all weights, unit by unit; but the root stays whole from its forward to its backward pass,
    and replicas add up their shards."""
    plan, rate, m = job.plan, job.plan.recipe.rate, job.micro_batches
    if plan.zero < 2:
        return
    for unit in _units(job, index):
        for one in data.traffic(plan.zero, reshard=plan.reshard):
            value = size(unit.whole, rate[one.carries])
            yield Sent(unit.dimension, one.collective, unit.times * m, unit.times * m * value)
            if unit.root and one.carries == "weight" and one.overlaps == "backward":
                yield Sent(unit.dimension, one.collective, -m, -m * value, "root")
        if plan.replicas > 1:
            value = size(unit.shard, rate["gradient"])
            yield Sent("replicate", "all_reduce", unit.times * m, unit.times * m * value, "replicas")


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


def kept(job: Training, index: int) -> list[Kept]:
    """Bytes of a rank between two steps, before gradients are dropped."""
    memory = job.memory()[index]
    return [
        Kept("weights", int(memory.weights + memory.master_weights)),
        Kept("gradients", int(memory.gradients)),
        *_whole_embedding(job, index),
        Kept("optimizer_state", int(memory.optimizer_state)),
    ]


def _whole_embedding(job: Training, index: int) -> Iterator[Kept]:
    """DTensor has no operator for the gradient of an embedding that is cut by vocabulary: every rank holds it whole."""
    ways = job.plan.tensor
    if ways == 1 or job.plan.zero:
        return
    for block in stage_of(job, index).stem:
        for op in block.lines.values():
            if isinstance(op, Embedding):
                whole = (ways - 1) * sum(product(shape) for shape in op.shapes().values())
                yield Kept("gradients", int(size(whole, job.plan.recipe.rate["gradient"])), "embedding")


def tied(job: Training) -> bool:
    """Whether the head has the embedding's table."""
    return any(isinstance(op, Head) and op.tied is not None for block in job.architecture.tail for op in block.lines.values())
