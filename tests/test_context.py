"""Context parallelism: what a rank holds, computes and sends, against arithmetic and against all ranks together.

Every way of it computes the model's FLOPs over all ranks; kept bytes are those of length / cp tokens; what crosses the wire and
what is held in passing follow from K and V; and what no rank can do by itself is refused by name.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bursar import Plan, Step, Training, load
from bursar.errors import BursarError, PlanError
from bursar.machines.devices import device
from bursar.machines.network import network
from bursar.ops.context import ContextCollective, GatherKeys, Ring, SpreadAttention
from bursar.ops.elementwise import Rotary
from bursar.ops.learned import ClassToken
from bursar.parallel import context

H100 = device("h100-sxm")
CONFIG = {
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 16, "vocab_size": 96,
    "intermediate_size": 160, "num_hidden_layers": 3, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA = load(CONFIG)
LENGTH = 64
COMMS = tuple(context.COMMS)


def flops_of_all_ranks(plan: Plan, mask: str) -> tuple[int, int]:
    """Dense models: every rank of a replica computes its part."""
    job = Training(LLAMA.architecture, plan, length=LENGTH, mask=mask)
    (stage,) = job.stages
    lines = [(times, line) for block, times in stage.blocks() for line in block.walk(job.step)]
    forward = sum(times * line.op.flops(line.step) for times, line in lines)
    backward = sum(times * sum(line.op.grad_flops(line.step)) for times, line in lines)
    return forward * plan.tensor * plan.context, backward * plan.tensor * plan.context


@pytest.mark.parametrize("mask", ["full", "causal"])
@pytest.mark.parametrize("comm", COMMS)
@pytest.mark.parametrize(("tensor", "ways"), [(1, 2), (1, 4), (2, 2)])
def test_all_ranks_together_compute_the_model(comm: str, tensor: int, ways: int, mask: str) -> None:
    whole = LLAMA.flops(LENGTH, 1, mask)
    plan = Plan(tensor=tensor, sequence=True, context=ways, context_comm=comm)
    assert flops_of_all_ranks(plan, mask) == (whole.forward, whole.backward)


@pytest.mark.parametrize("ways", [1, 2, 4])
@pytest.mark.parametrize("window", [None, 3, 8, 9, 40, 500])
def test_the_busiest_rank_has_the_two_slices_in_the_middle(window: int | None, ways: int) -> None:
    """Counted position by position: slice j of 2c has the positions j·m + 1 … (j + 1)·m, and a rank has two of them."""
    queries = LENGTH // ways
    core = SpreadAttention("q", "k", "v", 4, 4, 8, 8, 64, window=window, context=ways)
    slices = [sum(min(p, window or p) for p in range(j * queries // 2 + 1, (j + 1) * queries // 2 + 1)) for j in range(2 * ways)]
    ranks = [slices[i] + slices[2 * ways - 1 - i] for i in range(ways)]
    assert core.pairs(Step(1, queries, 0, "causal")) == max(ranks)
    assert window is not None or len(set(ranks)) == 1


@pytest.mark.parametrize("comm", COMMS)
def test_a_layer_keeps_what_its_tokens_leave(comm: str) -> None:
    """As many bytes as with length / cp tokens; with Ulysses the result of the core is there in both layouts."""
    plan = Plan(context=4, context_comm=comm)
    kept = LLAMA.activations(plan, LENGTH).layers[0].bytes
    alone = LLAMA.activations(Plan(), LENGTH // 4).layers[0].bytes
    again = 2 * (LENGTH // 4) * 8 * 16 if comm == "ulysses" else 0
    assert kept == alone + again


def payloads(plan: Plan) -> dict[str, int]:
    """Bytes that the collectives of one layer join."""
    book = Training(LLAMA.architecture, plan, length=LENGTH).ledger().where(quantity="sent")
    return {entry.path: entry.value // entry.times for entry in book if ".context" in entry.path or ".heads" in entry.path}


def test_keys_and_values_of_all_tokens_go_round_or_are_gathered() -> None:
    """4 KV heads of 16 elements in BF16, for 64 tokens."""
    for comm in ("ring", "all-gather"):
        assert payloads(Plan(context=4, context_comm=comm)) == {
            "layers.attn.k_rotary.context": 64 * 4 * 16 * 2, "layers.attn.v.context": 64 * 4 * 16 * 2,
        }  # fmt: skip


def test_ulysses_swaps_the_tokens_of_a_rank() -> None:
    """16 tokens: 8 heads of Q and of the result, 4 of K and of V."""
    book = Training(LLAMA.architecture, Plan(context=4, context_comm="ulysses"), length=LENGTH).ledger().where(quantity="sent")
    query, key = 16 * 8 * 16 * 2, 16 * 4 * 16 * 2
    for phase in ("forward", "backward"):
        assert book.where(phase=phase, op="SwapHeads").total() == 3 * (2 * query + 2 * key)


@pytest.mark.parametrize(("kind", "blocks"), [(Ring, 4), (GatherKeys, 2 * 4)])
def test_buffers_of_keys_and_values(kind: type[ContextCollective], blocks: int) -> None:
    """A ring holds the block at hand, the next one, and the gradients of both; a gather all four blocks and their gradients."""
    assert kind("k", 6, 4).buffers(Step(2, 5)) == blocks * 10 * 6
    assert kind("k", 6, 1).buffers(Step(2, 5)) == 0


def test_a_ring_is_free_where_attention_outlasts_it() -> None:
    """Blocks of 32k tokens take longer to attend to than to pass on within a node; of 64 tokens they do not."""
    model = load("llama-3-8b")
    times = [
        Training(model, Plan(context=8, recompute="full"), H100, length=length, mask="causal").seconds.context_parallel
        for length in (262_144, 512)
    ]
    assert times[0] == 0 < times[1]
    waiting = replace(Plan(context=8, recompute="full"), context_comm="all-gather")
    assert Training(model, waiting, H100, length=262_144, mask="causal").seconds.context_parallel > 0


def test_a_hand_over_between_nodes_has_one_port() -> None:
    """16 ranks on two nodes of 8: 15 hand-overs of a sixteenth, each as slow as the slowest; a gather's ring has all ports."""
    links = network(H100, 16)
    across, within = links.circle(16, 1), links.circle(8, 1)
    assert across.seconds("ring", 1e9) == pytest.approx(15 / 16 * 1e9 / links.port + 15 * links.port_latency, rel=1e-12)
    assert within.seconds("ring", 1e9) == pytest.approx(7 / 8 * 1e9 / links.link + 7 * links.link_latency, rel=1e-12)
    assert links.circle(1, 1).seconds("ring", 1e9) == 0


def test_gradients_are_summed_and_states_sharded_over_data_and_context() -> None:
    """16 ranks, whether they share sequences or not."""
    both = [
        Training(LLAMA.architecture, Plan(data=data, context=16 // data, zero=1), length=LENGTH).memory()[0] for data in (16, 8, 4)
    ]
    for one, other in pairwise(both):
        assert one[:4] == other[:4]
    (first, *_) = both
    assert first.optimizer_state == 8 * -(-LLAMA.params() // 16)


def test_ranks_are_the_product_of_all_degrees() -> None:
    plan = Plan(tensor=2, context=4, pipeline=3, data=5)
    assert plan.devices == 2 * 4 * 3 * 5


WINDOWED = load({**CONFIG, "model_type": "mistral", "sliding_window": 8})
REFUSED: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "a state that goes along the sequence": (load("falcon-mamba-7b"), {"context": 2}, ("SelectiveScan", "ShortConv")),
    "an encoder": (load("t5-11b"), {"context": 2}, ("CrossAttention",)),
    "a length that does not split": (LLAMA, {"context": 3}, ("seq=64", "multiple of 6")),
    "heads that do not split": (LLAMA, {"context": 8, "context_comm": "ulysses"}, ("kv_heads=4", "1, 2, 4")),
    "a window in a ring": (WINDOWED, {"context": 2}, ("window of 8", "all-gather, ulysses")),
    "kept scores in a ring": (LLAMA, {"context": 2, "kernels": "textbook"}, ("textbook", "fused")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_spread_is_refused_by_name(name: str) -> None:
    model, choices, said = REFUSED[name]
    with pytest.raises(PlanError) as refused:
        Training(model, Plan(**choices), length=LENGTH)
    for words in said:
        assert words in str(refused.value)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(BursarError, match="all-gather"):
        Plan(context=2, context_comm="gather")


def test_an_operator_that_nobody_placed_is_refused_by_name() -> None:
    """Nothing is spread by default."""
    tree = LLAMA.architecture.replace(lambda path, op: ClassToken(op.read, op.size) if isinstance(op, Rotary) else op)
    with pytest.raises(PlanError, match="ClassToken"):
        Training(tree, Plan(context=2), length=LENGTH)
