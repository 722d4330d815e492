"""Rules of tensor, sequence, context and expert parallelism, and of sharding."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bursar.dims import Dim, divides, divisors, split
from bursar.ops.attention import Attention
from bursar.parallel import context, expert, tensor
from bursar.plan import Plan
from bursar.rules.rule import Demand, Job, counts_of, divides_all
from bursar.step import Step
from bursar.tree import Architecture


def of_tensor(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    counts = counts_of(architecture, tensor.counts)
    for name, count in counts:
        fits = divides(plan.tensor, count)
        if name == "kv_heads":
            fits = fits | divides(count, plan.tensor)
        yield divides_all("tp", "tensor", name, count, counts, fits)


def of_context(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if context.whole(plan.context):
        return
    whole, comm = plan.context == 1, plan.context_comm
    if found := context.strangers(architecture):
        yield Demand(whole, lambda plan: f"cp={plan.context} cannot spread {', '.join(found)} over ranks", lambda plan: 1)
    slices = plan.context if comm == "ulysses" else 2 * plan.context
    yield Demand(
        whole | divides(slices, job.length),
        lambda plan: f"cp={plan.context} with {comm} needs seq={job.length} to be a multiple of {slices}",
        lambda plan: f"a multiple of {slices}",
    )
    for core in context.cores(architecture):
        yield from of_spread_core(architecture, core, plan, job)


def of_spread_core(architecture: Architecture, core: Attention, plan: Plan, job: Job) -> Iterator[Demand]:
    """What each way of context parallelism asks of an attention core."""
    whole, comm = plan.context == 1, plan.context_comm
    if comm == "ring":
        yield Demand(
            whole | (core.window is None and core.chunk is None),
            lambda plan: f"cp_comm=ring passes every block to every rank, and a window of {core.window or core.chunk} needs few",
            lambda plan: "all-gather, ulysses",
        )
    if comm == "ring" and not plan.kernels_of(architecture.family).of(core).skips_masked:
        yield Demand(whole, lambda plan: f"cp_comm=ring with {plan.kernels} kernels, which keep the scores", lambda plan: "fused")
    if comm == "all-gather" and core.chunk is not None:
        yield Demand(
            whole | (job.length <= core.chunk) | divides(2 * plan.context * core.chunk, job.length),
            lambda plan: f"cp={plan.context} with all-gather: slices of seq/(2·cp) are no whole chunks of {core.chunk}",
            lambda plan: f"a multiple of {2 * plan.context * core.chunk} tokens, or ulysses",
        )
    if comm == "ulysses":
        for name, heads in (("heads", core.heads), ("kv_heads", core.kv_heads)):
            yield Demand(
                whole | divides(plan.tensor * plan.context, heads),
                lambda plan, name=name, heads=heads: f"tp·cp={plan.tensor}·{plan.context} does not divide {name}={heads}",  # type: ignore[misc]
                lambda plan, heads=heads: [d for d in divisors(heads) if d % plan.tensor == 0],  # type: ignore[misc]
            )


def of_sharding(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if plan.shard_group is not None:
        yield from of_shard_group(plan)
    if not plan.reshard:
        yield Demand(
            plan.zero == 3, lambda plan: f"no-reshard with zero={plan.zero}: weights are whole anyway", lambda plan: "zero 3"
        )
    if plan.sharding == "per-parameter":
        yield Demand(
            plan.zero == 3,
            lambda plan: f"sharding=per-parameter with zero={plan.zero}: FSDP2 shards weights, gradients and states",
            lambda plan: "zero 3",
        )
        frozen = plan.lora_rank > 0 or plan.freeze_layers > 0
        yield Demand(not frozen, lambda plan: "sharding=per-parameter does not know frozen weights", lambda plan: "flat")
        yield Demand(
            plan.flat,
            lambda plan: f"sharding=per-parameter with {plan.optimizer}, {plan.precision}: states have shapes of their own",
            lambda plan: "flat, or an optimizer and a precision with the same states for every element",
        )


def of_shard_group(plan: Plan) -> Iterator[Demand]:
    yield Demand(
        plan.zero > 0, lambda plan: f"shard_group={plan.shard_group} with zero=0 shards nothing", lambda plan: "zero 1 to 3"
    )
    yield Demand(
        divides(plan.shard_group, plan.data_context),
        lambda plan: f"shard_group={plan.shard_group} does not divide cp·dp={plan.context}·{plan.data}",
        lambda plan: divisors(plan.data_context),
    )
    yield Demand(
        divides(plan.expert * plan.expert_tensor, plan.tensor * plan.shard_group),
        lambda plan: f"ep·etp={plan.expert}·{plan.expert_tensor} does not divide tp·shard_group={plan.tensor}·{plan.shard_group}",
        lambda plan: [n for n in divisors(plan.data_context) if plan.tensor * n % (plan.expert * plan.expert_tensor) == 0],
    )


def of_sequence(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if plan.sequence:
        step = Step(plan.micro_batch, split(job.length, plan.context, "seq", "cp"))
        for sees in architecture.views:
            yield of_spread(plan, sees(step).tokens)


def of_spread(plan: Plan, tokens: Dim) -> Demand:
    """That tensor-parallel ranks can share the tokens of a micro-batch."""
    return Demand(
        divides(plan.tensor, tokens),
        lambda plan: f"sp needs tp={plan.tensor} to divide the {tokens} tokens of a micro-batch",
        lambda plan: f"a multiple of {plan.tensor} tokens",
    )


def of_expert(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    counts = counts_of(architecture, expert.counts)
    for name, count in counts:
        yield divides_all("ep", "expert", name, count, counts, divides(plan.expert, count))
    if not counts:
        yield Demand(plan.expert == 1, lambda plan: f"ep={plan.expert} of a model without experts", lambda plan: 1)
    elif not plan.sequence:
        yield Demand(
            (plan.tensor == 1) | ((plan.expert == 1) & (plan.expert_tensor == plan.tensor)),
            lambda plan: (
                f"ep={plan.expert}, etp={plan.expert_tensor} with tp={plan.tensor}: every tensor rank would send the same tokens"
            ),
            lambda plan: "sp with tp, or ep=1 and etp=tp",
        )


def of_expert_load(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    found = expert.shares(plan.expert_load)
    if not found:
        return
    layers = expert.routed(architecture)
    yield Demand(bool(layers), lambda plan: f"expert_load={plan.expert_load} of a model without experts", lambda plan: "uniform")
    for experts, top_k in layers:
        if len(found) == 1:
            yield of_at_most(found[0], experts, top_k, plan)
            continue
        yield Demand(
            len(found) == experts,
            lambda plan, experts=experts: f"expert_load has {len(found)} shares for {experts} experts",  # type: ignore[misc]
            lambda plan, experts=experts: f"{experts} shares",  # type: ignore[misc]
        )
        yield Demand(
            max(found) * top_k <= sum(found),
            lambda plan, top_k=top_k: f"expert_load: an expert gets every token once at most, 1/{top_k} of the copies",  # type: ignore[misc]
            lambda plan, top_k=top_k: f"shares up to 1/{top_k} of their sum",  # type: ignore[misc]
        )


def of_at_most(load: Fraction, experts: int, top_k: int, plan: Plan) -> Demand:
    """A rank of `ep` cannot receive more than all copies, nor more than one of each token for every expert that it has."""
    most = experts / top_k
    return Demand(
        (float(load) <= plan.expert) & (float(load) <= most),
        lambda plan: f"expert_load={plan.expert_load} with ep={plan.expert} and {top_k} of {experts} experts for a token",
        lambda plan: f"1 to {min(plan.expert, most):g}",
    )


def of_expert_tensor(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    counts = counts_of(architecture, expert.inner_counts)
    for name, count in counts:
        yield divides_all("etp", "expert_tensor", name, count, counts, divides(plan.expert_tensor, count))
    yield Demand(
        divides(plan.expert_tensor, plan.tensor),
        lambda plan: f"etp={plan.expert_tensor} does not divide tp={plan.tensor}",
        lambda plan: divisors(plan.tensor),
    )
    yield Demand(
        divides(plan.expert * plan.expert_tensor, plan.tensor * plan.data_context),
        lambda plan: f"ep·etp={plan.expert}·{plan.expert_tensor} does not divide tp·cp·dp={plan.tensor}·{plan.context}·{plan.data}",
        lambda plan: [d for d in divisors(plan.tensor * plan.data_context) if d % plan.expert_tensor == 0],
    )
