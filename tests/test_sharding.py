"""Sharding over a part of the ranks, what stays whole, and unbalanced routing: against arithmetic, and refused where it cannot be.

The bytes that PyTorch's `fully_shard` really holds are in `oracle/test_sharded.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bursar import Plan, PlanError, Training, load
from bursar.machines.devices import device
from bursar.machines.network import network
from bursar.parallel import expert

H100 = device("h100-sxm")
LLAMA = load({
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 16, "vocab_size": 96,
    "intermediate_size": 160, "num_hidden_layers": 3, "tie_word_embeddings": False,
})  # fmt: skip
MIXTRAL = load({
    "model_type": "mixtral", "hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 16,
    "vocab_size": 96, "intermediate_size": 160, "num_hidden_layers": 3, "num_local_experts": 8, "num_experts_per_tok": 2,
})  # fmt: skip

# ── hybrid sharding ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zero", [1, 2, 3])
def test_a_shard_group_holds_the_states_that_as_many_ranks_would(zero: int) -> None:
    """Replicas of it hold the same tensors, and a communicator more."""
    alone = Training(LLAMA.architecture, Plan(data=4, zero=zero), length=64)
    replicated = Training(LLAMA.architecture, Plan(data=16, zero=zero, shard_group=4), length=64)
    assert [found._replace(runtime=alone.runtime) for found in replicated.memory()] == list(alone.memory())
    assert replicated.runtime > alone.runtime


def test_a_shard_group_of_all_ranks_is_no_hybrid() -> None:
    plan = Plan(data=16, zero=3)
    one, other = [Training(LLAMA.architecture, each, H100, length=64) for each in (plan, replace(plan, shard_group=16))]
    assert one.memory() == other.memory()
    assert one.seconds == other.seconds


def test_reduced_shards_are_summed_over_the_replicas() -> None:
    """Llama-3-8B over two nodes, with states sharded within each: a reduce-scatter of BF16 gradients among 8 ranks, and an
    all-reduce of an eighth between 2. The 34 blocks (an embedding, 32 layers, a head) each wait for links to start. The passes
    over one token hide little of it, at a price."""
    model = load("llama-3-8b")
    job = Training(model, Plan(data=16, zero=1, shard_group=8), H100, length=1)
    links, size = network(H100, 16), 2 * model.params()
    within, between = links.group(8, 1), links.group(2, 8)
    sharded = sum(within.seconds(collective, size, 34) for collective in ("reduce_scatter", "all_gather"))
    hidden = (1 - links.price["data"]) * (job.seconds.forward + job.seconds.backward)
    assert job.seconds.data_parallel == pytest.approx(sharded + between.seconds("all_reduce", size / 8) - hidden, rel=1e-9)


def test_experts_are_sharded_over_the_ranks_of_a_replica_that_have_the_same() -> None:
    """16 ranks in 2 replicas, experts over 4: within a replica of 8, two ranks have the same experts."""
    plan = Plan(data=16, zero=1, expert=4, shard_group=8)
    assert (plan.replicas, plan.shards("data"), plan.shards("expert_data")) == (2, 8, 2)


def test_weights_that_are_not_sharded_again_stay_whole() -> None:
    """The stage's weights in BF16, in place of those of two blocks, and one gather instead of two."""
    plan = Plan(data=4, zero=3)
    sharded, whole = [Training(LLAMA.architecture, each, length=64).memory()[0] for each in (plan, replace(plan, reshard=False))]
    block = 64 * 8 * 16 * 2 + 64 * 4 * 16 * 2 + 3 * 64 * 160 + 2 * 64
    assert whole.temporary - sharded.temporary == 2 * LLAMA.params() - 2 * 2 * block


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing to shard": ({"data": 8, "shard_group": 4}, ("shard_group=4", "zero 1 to 3")),
    "a group that does not divide": ({"data": 8, "zero": 1, "shard_group": 3}, ("shard_group=3", "1, 2, 4, 8")),
    "weights that are whole anyway": ({"data": 8, "zero": 2, "reshard": False}, ("no-reshard", "zero 3")),
    "parameters sharded in part": ({"data": 8, "zero": 1, "sharding": "per-parameter"}, ("FSDP2", "zero 3")),
    "states of another shape": ({"data": 8, "zero": 3, "sharding": "per-parameter", "optimizer": "adamw-8bit"}, ("adamw-8bit",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_sharded_so_is_refused(name: str) -> None:
    choices, said = REFUSED[name]
    with pytest.raises(PlanError) as refused:
        Training(LLAMA.architecture, Plan(**choices), length=64)
    for words in said:
        assert words in str(refused.value)


# ── unbalanced routing ───────────────────────────────────────────────────────────────────────────────────────────────────


def inside(plan: Plan, length: int = 64) -> tuple[int, int, int]:
    """Of the experts of one layer: FLOPs forward, bytes kept, bytes handed to all-to-alls."""
    job = Training(MIXTRAL.architecture, plan, length=length)
    book = [entry for entry in job.ledger() if "experts." in entry.path]

    def total(quantity: str, phase: str = "forward") -> int:
        return sum(entry.value // entry.times for entry in book if entry.quantity == quantity and entry.phase == phase)

    return total("flops"), total("bytes"), total("sent")


@pytest.mark.parametrize("load_", ["1", "1,1,1,1,1,1,1,1", "1.0"])
def test_an_even_load_is_uniform(load_: str) -> None:
    plan = Plan(data=8, expert=4)
    other = replace(plan, expert_load=load_)
    assert inside(plan) == inside(other)
    assert Training(MIXTRAL, plan, H100, length=64).seconds == Training(MIXTRAL, other, H100, length=64).seconds


@pytest.mark.parametrize("load_", ["1.5", "3,3,2,2,2,2,1,1", "6,0,2,2,2,2,1,1"])
def test_the_busiest_rank_works_keeps_and_receives_in_proportion(load_: str) -> None:
    """Experts 0 and 1 get 6 of 16 shares, 1.5 times the quarter that a rank of 4 gets on average: 64 tokens · 2 · 1.5 copies."""
    even, busy = inside(Plan(data=8, expert=4)), inside(Plan(data=8, expert=4, expert_load=load_))
    assert busy == tuple(3 * part // 2 for part in even)
    assert busy[0] == 2 * (64 * 2 * 3 // 2) * 3 * 64 * 160


def test_part_of_a_token_is_a_token() -> None:
    """3 tokens · 2 · 1.25 = 7.5 copies."""
    assert inside(Plan(data=8, expert=4, expert_load="1.25"), length=3)[0] == 2 * 8 * 3 * 64 * 160


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_neighbouring_experts_share_a_rank(ranks: int) -> None:
    shares = (3, 1, 4, 1, 5, 9, 2, 6)
    held = 8 // ranks
    sums = [sum(shares[i : i + held]) for i in range(0, 8, held)]
    busy, mean = expert.busiest(",".join(map(str, shares)), 8, ranks)
    assert busy * sum(sums) == mean * max(sums) * ranks


OVERLOADED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "more than all copies": (MIXTRAL, {"expert": 2, "expert_load": "2.5"}, "1 to 2"),
    "more than its experts can get": (MIXTRAL, {"expert": 8, "expert_load": "5"}, "1 to 4"),
    "shares of other experts": (MIXTRAL, {"expert": 4, "expert_load": "2,1,1"}, "8 shares"),
    "an expert with a token twice": (MIXTRAL, {"expert": 4, "expert_load": "9,1,1,1,1,1,1,1"}, "1/2"),
    "less than the mean": (MIXTRAL, {"expert": 4, "expert_load": "0.5"}, "1.5"),
    "no number": (MIXTRAL, {"expert": 4, "expert_load": "skewed"}, "uniform"),
    "no experts": (LLAMA, {"expert_load": "1.5"}, "uniform"),
}


@pytest.mark.parametrize("name", OVERLOADED)
def test_a_load_that_cannot_be_is_refused(name: str) -> None:
    model, choices, said = OVERLOADED[name]
    with pytest.raises(PlanError, match=said):
        Training(model, Plan(data=8, **choices), length=64)
