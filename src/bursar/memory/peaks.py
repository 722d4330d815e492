"""What a rank of a stage holds: its blocks for one micro-batch, times the micro-batches in flight, and the states.

`runtime` is what is measured (`overheads.py`); every other part is exact tensors in whole bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from bursar import holdings
from bursar.dims import Dim, at_most, choose, most, product
from bursar.holdings import NOTHING, Holding
from bursar.kernels import Kernels
from bursar.memory.liveness import Passes
from bursar.memory.parts import Wired, recomputed, sized, wired
from bursar.ops.adapters import Magnitude
from bursar.parallel import data, fsdp, schedules
from bursar.parallel.pipeline import Chunk, Stage
from bursar.parallel.waiting import waiting as held_for_weights
from bursar.plan import Plan
from bursar.precision import size, stored_bytes
from bursar.step import Step
from bursar.tree import Block, Weight

ONE_TOKEN = Step(1, 1)
NOTHING_WAITS: dict[int, Dim] = {}
GRADIENTS = {"allocated": "allocated", "lazy": "added", "accumulated": "growing"}  # where they go, as `parts.wired` has it


class Memory(NamedTuple):
    """Bytes of one rank of a stage at its peak."""

    weights: Dim
    gradients: Dim
    master_weights: Dim
    optimizer_state: Dim
    activations: Dim
    logits: Dim
    temporary: Dim
    communication: Dim
    runtime: Dim

    @property
    def peak(self) -> Dim:
        return sum(self)


class Load(NamedTuple):
    """What one rank holds for one block: parameters, and bytes for one micro-batch."""

    dense: Dim  # trained parameters that data-parallel ranks share
    experts: Dim  # trained parameters that expert-data-parallel ranks share
    kept: Dim  # bytes between forward and backward
    tables: dict[str, Dim]  # bytes of what is one for all layers, by name
    logits: Dim  # bytes that the output layer and the loss keep
    passes: Passes  # bytes from moment to moment
    shown: Dim  # bytes of logits that the caller has until the backward pass is over
    frozen: tuple[Dim, Dim] = (0, 0)  # bytes of frozen parameters that data-parallel and expert-data-parallel ranks share
    widened: Dim = 0  # bytes of the largest matrix that is made for one product: a stored one in the working dtype, DoRA's B A
    owned: Holding = NOTHING  # what its weights cost beside a flat rate
    grown: Dim = 0  # bytes of its gradients where its backward pass makes them
    first: Passes | None = None  # the moments of that pass
    moved: Dim = 0  # bytes that it keeps on the host in place of `kept` (offload)
    cached: Dim = 0  # bytes of copies of its weights that are there until the forward pass is over, though it does not keep them

    @property
    def passes_that_grow(self) -> Passes:
        """The moments of the passes that make gradients."""
        return self.first or self.passes


def load(block: Block, step: Step, plan: Plan, kernels: Kernels, mode: str, known: Wired | None = None) -> Load:
    """The load of a block under a recompute mode; what does not depend on that may be known."""
    gradients, rate = gradients_of(plan), rate_of(plan)
    own = recomputed(known or wired_of(block, step, plan, kernels), block, step, kernels, mode)
    passes = Passes(own)
    if plan.many:
        passes.settle()
        if known is None:
            passes.forget()
    found = Load(*block.trained, passes.kept.activations, own.tables, passes.kept.logits, passes, own.shown)
    if own.wiring.cached:
        found = found._replace(cached=passes.cached)
    if gradients != "allocated":
        found = found._replace(grown=size(sum(block.trained), rate["gradient"]))
    if gradients == "added":
        found = found._replace(first=Passes(sized(block, step, rate, kernels, mode, "growing")))
    if not plan.flat:
        found = found._replace(owned=holdings.of_block(block, plan))
    return found._replace(frozen=_frozen(block, plan), widened=_widened(block, plan)) if block.frozen else found


def wired_of(block: Block, step: Step, plan: Plan, kernels: Kernels) -> Wired:
    """What of a load does not depend on the recompute mode."""
    return wired(block, step, rate_of(plan), kernels, gradients_of(plan))


def rate_of(plan: Plan) -> dict[str, Dim]:
    """Bytes per element of every kind: gradients that grow have the format of the weights."""
    rate = plan.recipe.rate
    return {**rate, "gradient": rate["weight"]} if gradients_of(plan) == "growing" else rate


_loads = lru_cache(maxsize=1024)(load)


def load_once(block: Block, step: Step, plan: Plan, kernels: Kernels, mode: str) -> Load:
    """The same for plans of ints, once for all plans that cut the block alike."""
    return _loads(block, step, plan.undivided, kernels, mode)


def gradients_of(plan: Plan) -> str:
    """Where the gradients of weights go while a block is at work; what ZeRO scatters is whole in a buffer of the block."""
    return GRADIENTS[plan.grad_buffer] if plan.zero < 2 else "allocated"


def _frozen(block: Block, plan: Plan) -> tuple[Dim, Dim]:
    """Bytes of the frozen parameters outside and inside experts."""
    sizes = [(w.count * _bytes(w, plan.recipe.rate["weight"]), w.nested) for w in block.frozen]
    return sum([size_ for size_, nested in sizes if not nested]), sum([size_ for size_, nested in sizes if nested])


def _bytes(weight: Weight, rate: Dim) -> Dim:
    return stored_bytes(weight.stored, weight.shape) if weight.stored else size(product(weight.shape), rate)


def _widened(block: Block, plan: Plan) -> Dim:
    """Bytes of the largest matrix that one product needs for a while."""
    made = [line.op.weights() for line in block.walk(ONE_TOKEN) if line.op.stored]
    made += [line.op.passing() for line in block.walk(ONE_TOKEN) if isinstance(line.op, Magnitude)]
    return most([0, *made]) * plan.recipe.rate["activation"]


class ChunkLoad(NamedTuple):
    """Bytes of one micro-batch in one chunk of a rank: activations and logits between its passes, and what waits for the gradients
    of the weights alone."""

    kept: Dim
    logits: Dim
    waiting: Dim


class StageLoad(NamedTuple):
    """The loads of a stage's blocks together: sums, and the largest where only one block has its turn."""

    dense: Dim
    experts: Dim
    kept: Dim
    tables: Dim
    logits: Dim
    runs: tuple[tuple[tuple[Load, int], ...], ...]  # of every chunk the blocks in order, with how often each is there
    block: Dim  # trained parameters of the largest block
    frozen: tuple[Dim, Dim] = (0, 0)  # bytes of frozen parameters, outside and inside experts
    frozen_block: Dim = 0  # those of the largest block
    widened: Dim = 0  # bytes of the largest matrix that is made for one product
    owned: Holding = NOTHING  # what its weights cost beside a flat rate
    chunks: tuple[ChunkLoad, ...] = ()  # bytes of one micro-batch in each chunk of the rank

    def parameters(self) -> list[tuple[str, Dim]]:
        """Its parameters by the group of ranks that hold the same ones; a stage without experts has one group."""
        both = [("data", self.dense), ("expert_data", self.experts)]
        return both[:1] if type(self.experts) is int and self.experts == 0 else both


def stage_load(stage: Stage, loads: dict[int, Load], waits: dict[int, Dim] = NOTHING_WAITS) -> StageLoad:
    """What one rank of a stage holds for one micro-batch; `waits` are the bytes of its blocks that wait for weight gradients."""
    parts = [(loads[id(block)], times) for block, times in stage.blocks()]
    alone = [part for part, _ in parts]
    return StageLoad(
        dense=sum([part.dense * times for part, times in parts]),
        experts=sum([part.experts * times for part, times in parts]),
        kept=sum([part.kept * times for part, times in parts]),
        tables=sum_of_tables(alone),
        logits=sum([part.logits for part in alone]),
        runs=tuple([tuple([(loads[id(block)], times) for block, times in chunk.blocks()]) for chunk in stage.chunks]),
        block=most([part.dense + part.experts for part in alone]),
        chunks=tuple([_chunk_load(chunk, loads, waits) for chunk in stage.chunks]) if len(stage.chunks) > 1 or waits else (),
        **(_stage_frozen(parts) if any(freezes(part.frozen) for part in alone) else {}),
        owned=holdings.together([(part.owned, times) for part, times in parts]),
    )


def _chunk_load(chunk: Chunk, loads: dict[int, Load], waits: dict[int, Dim]) -> ChunkLoad:
    parts = [(loads[id(block)], times) for block, times in chunk.blocks()]
    return ChunkLoad(
        kept=sum([part.kept * times for part, times in parts]),
        logits=sum([part.logits * times for part, times in parts]),
        waiting=sum([waits[id(block)] * times for block, times in chunk.blocks()]) if waits else 0,
    )


def waiting(block: Block, step: Step, plan: Plan, kernels: Kernels) -> Dim:
    """Bytes of a block that wait for its weight gradients where a schedule puts these off."""
    rate = plan.recipe.rate
    return sum([size(item.elements, rate[item.kind]) for item in held_for_weights(block, step, kernels.keeps)])


def freezes(frozen: tuple[Dim, Dim]) -> bool:
    """Whether there are frozen parameters, of whatever plans."""
    return any(type(part) is not int or part > 0 for part in frozen)


def _stage_frozen(parts: list[tuple[Load, int]]) -> dict[str, Any]:
    """What a stage holds of frozen parameters."""
    return {
        "frozen": tuple([sum([part.frozen[group] * times for part, times in parts]) for group in (0, 1)]),
        "frozen_block": most([sum(part.frozen) for part, _ in parts]),
        "widened": most([part.widened for part, _ in parts]),
    }


def sum_of_tables(loads: Iterable[Load]) -> Dim:
    """Bytes of the tables of all layers, each once."""
    return sum({name: held for load in loads for name, held in load.tables.items()}.values())


def held(load: StageLoad, plan: Plan) -> data.Held:
    """Parameters that one rank of a stage holds, as working weights, as gradients, and as optimizer state."""
    parts = [data.held(parameters, plan.shards(group), plan.zero) for group, parameters in load.parameters()]
    own = data.Held(*[sum(uses) for uses in zip(*parts, strict=True)])
    if not freezes(load.frozen):
        return own
    groups = zip(("data", "expert_data"), load.frozen, strict=True)
    return own._replace(frozen=sum([data.held(bytes_, plan.shards(group), plan.zero).weight for group, bytes_ in groups]))


def held_per_parameter(stage: Stage, step: Step, plan: Plan) -> data.Held:
    """The same where every parameter is sharded by itself, with the bytes of what is gathered while a layer runs backward."""
    found = fsdp.units(stage, step, plan.shards)
    passing = fsdp.passing(found, plan.recipe.rate, reshard=plan.reshard, replicated=plan.shard_group is not None)
    moving = fsdp.on_the_way(found, plan.recipe.rate) if "parameters" in plan.offload else (0, 0)
    return fsdp.held(found, plan.recipe.rate)._replace(passing=passing.backward + moving[0], ending=passing.end + moving[1])


def in_flight(index: int, load: StageLoad, plan: Plan, micro_batches: Dim) -> tuple[Dim, Dim]:
    """Bytes of all micro-batches on one rank at the schedule's worst moment: (activations, logits)."""
    moments = schedules.in_flight(plan.schedule, index, plan.pipeline, plan.virtual, micro_batches)
    if not load.chunks:
        ((flight,),) = moments
        return load.kept * flight.whole, load.logits * flight.whole
    chunks = load.chunks
    logits: list[Dim] = [sum([f.whole * c.logits for f, c in zip(moment, chunks, strict=True)]) for moment in moments]
    others: list[Dim] = [
        sum([f.whole * c.kept + f.waiting * c.waiting for f, c in zip(moment, chunks, strict=True)]) for moment in moments
    ]
    best = others[0], logits[0]
    for found in zip(others[1:], logits[1:], strict=True):
        higher = sum(found) > sum(best)
        best = choose(higher, found[0], best[0]), choose(higher, found[1], best[1])
    return best


def most_in_flight(indices: Sequence[int], load: StageLoad, plan: Plan, micro_batches: Dim) -> Dim:
    """Bytes of all micro-batches on the rank that has most, of ranks that hold the same."""
    chunks = [(chunk.kept + chunk.logits, chunk.waiting) for chunk in load.chunks] or [(load.kept + load.logits, 0)]
    found: list[Dim] = []
    for moment in schedules.highest_in_flight(plan.schedule, indices, plan.pipeline, plan.virtual, micro_batches):
        parts = zip(moment, chunks, strict=True)
        found.append(sum([flight.whole * whole + flight.waiting * waiting for flight, (whole, waiting) in parts]))
    return most(found)


def of_stage(index: int, load: StageLoad, own: data.Held, plan: Plan, micro_batches: Dim, runtime: Dim = 0) -> Memory:
    """What stands while a micro-batch is at work on one rank of a stage under 1F1B: all states, and every micro-batch in flight,
    whole. `moments.py` puts the moments of the block at work in the place of its micro-batch; `runtime` is what is measured."""
    return standing(load, own, plan, in_flight(index, load, plan, micro_batches), runtime)


def standing(load: StageLoad, own: data.Held, plan: Plan, flights: tuple[Dim, Dim], runtime: Dim) -> Memory:
    """The same with the bytes of what is in flight: (activations, logits)."""
    rate = plan.recipe.rate
    per_parameter = plan.sharding == "per-parameter"
    activations, logits = flights
    return Memory(
        weights=holdings.weight_bytes(load.owned, own.weight, plan) + own.frozen,
        gradients=size(own.gradient, (rate["master"] or rate["weight"]) if per_parameter else rate["gradient"])
        + _buckets(own, plan),
        master_weights=size(own.state, rate["master"]),
        optimizer_state=holdings.state_bytes(load.owned, own.state, plan),
        activations=activations + load.tables,
        logits=logits,
        temporary=(own.passing if per_parameter else _unsharded(load, plan))
        + load.widened
        + holdings.copies_at_work(load.owned, plan),
        communication=0,
        runtime=runtime,
    )


def _buckets(own: data.Held, plan: Plan) -> Dim:
    """DistributedDataParallel's buckets of the gradients that are added to buffers; none without replicas."""
    if gradients_of(plan) != "growing":
        return 0
    return size(own.gradient, plan.recipe.rate["weight"]) * at_most(plan.data_context - 1, 1)


def _unsharded(load: StageLoad, plan: Plan) -> Dim:
    """Whole tensors of the block at work: gradients before they are scattered (stage 2), and with stage 3 the weights of this
    block and of the next, which is fetched meanwhile."""
    if plan.zero < 2:
        return 0
    rate = plan.recipe.rate
    weights = 2 * (size(load.block, rate["weight"]) + load.frozen_block) if plan.zero >= 3 else 0
    if not plan.reshard:
        weights = size(load.dense + load.experts, rate["weight"]) + sum(load.frozen)  # those of all blocks stay
    return size(load.block, rate["gradient"]) + weights
