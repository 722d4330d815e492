"""What bursar predicts that ranks hold between two steps: weights, gradients, optimizer states.

Where PyTorch holds something else than a plan's memory says, the difference is a line of its own with its cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from bursar.dims import product
from bursar.measure.distributed.parameters import Parameter, counted, shares, stage_of, trained
from bursar.measure.distributed.predicting import FULL, LEDGER
from bursar.ops.linear import Embedding
from bursar.parallel import data
from bursar.precision import size
from bursar.training import Training
from bursar.tree import Block

WEIGHTS, GRADIENTS, STATE = PARTS = ("weights", "gradients", "optimizer_state")
Parts = Callable[[Training, Block], list[Parameter]]


class Kept(NamedTuple):
    """Bytes of one rank."""

    part: str
    bytes: int
    cause: str = LEDGER


def kept(job: Training, place: Mapping[str, int]) -> list[Kept]:
    """Bytes of a rank at a place in the mesh, before gradients are dropped."""
    memory = job.memory()[place["pipeline"]]
    parts = {WEIGHTS: memory.weights + memory.master_weights, GRADIENTS: memory.gradients, STATE: memory.optimizer_state}
    found = [Kept(part, int(bytes_)) for part, bytes_ in parts.items()]
    return [*found, *[line for one in found for line in _otherwise(job, one, place)], *_whole_embedding(job, place["pipeline"])]


def _otherwise(job: Training, one: Kept, place: Mapping[str, int]) -> Iterator[Kept]:
    """What is a buffer, fused matrices that are padded as one, states that are not padded, whole parameters dealt out."""
    index, plan = place["pipeline"], job.plan
    ledger, apart, fused = [_elements(job, index, parts) for parts in (counted, partial(trained, fused=False), trained)]
    own, cause = fused, "uneven"
    if one.part == STATE and plan.zero == FULL:
        own = _unpadded(job, place)
    if one.part == STATE and plan.zero == 1:
        own, cause = shares(job, index)[place["data"]], "owners"
        ledger, apart, fused = [data.held(elements, plan.data, 1).state for elements in (ledger, apart, fused)]
    each = one.bytes // ledger
    for elements, why in ((apart - ledger, "buffers"), (fused - apart, "fused"), (own - fused, cause)):
        if elements:
            yield Kept(one.part, each * elements, why)


def _elements(job: Training, index: int, parts: Parts) -> int:
    """Elements of one rank; under FSDP2 every parameter is cut by itself and padded."""
    ways = job.plan.shards if job.plan.zero == FULL else lambda group: 1
    return sum(times * one.shard(ways(one.group)) for block, times in stage_of(job, index).blocks() for one in parts(job, block))


def _unpadded(job: Training, place: Mapping[str, int]) -> int:
    """Elements of one rank under FSDP2 without padding: optimizers make states as large as a rank's own rows."""
    plan = job.plan
    ranks = {"data": place["data"], "expert_data": (place["data"] * plan.tensor + place["tensor"]) // plan.expert}
    return sum(
        times * one.rows(plan.shards(one.group), ranks[one.group])
        for block, times in stage_of(job, place["pipeline"]).blocks()
        for one in trained(job, block)
    )


def _whole_embedding(job: Training, index: int) -> Iterator[Kept]:
    """DTensor has no operator for the gradient of an embedding that is cut by vocabulary: every rank holds it whole."""
    ways = job.plan.tensor
    if ways == 1 or job.plan.zero == FULL:
        return
    for block in stage_of(job, index).stem:
        for op in block.lines.values():
            if isinstance(op, Embedding):
                whole = (ways - 1) * sum(product(shape) for shape in op.shapes().values())
                yield Kept(GRADIENTS, int(size(whole, job.plan.recipe.rate["gradient"])), "embedding")
