"""DeepSeek sparse attention (arXiv:2512.02556): what the indexer and the chosen tokens cost, by hand; and that gpt-oss, Llama 4,
DeepSeek-V3.2 and Grok cut over tensor-parallel ranks are still the whole model."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from bursar import Plan, Step, Training, load
from bursar.ops.collective import Collective

from .test_rewrites import placed, weights_of_all_ranks

LENGTH, CHOSEN, LAYERS = 4096, 2048, 61
HEADS, INDEX_HEADS, INDEX_WIDTH = 128, 64, 128


def test_the_cache_of_deepseek_v32_holds_the_latent_the_rotary_key_and_the_index_key() -> None:
    model = load("deepseek-v3.2")
    assert model.kv().elements_per_token == LAYERS * (512 + 64 + INDEX_WIDTH) == 42_944
    assert model.kv(LENGTH, 2).bytes == 2 * 2 * LENGTH * 42_944  # of all tokens, not of the chosen ones


def test_the_core_sees_the_chosen_tokens_and_the_indexer_all_before_a_token() -> None:
    chosen = CHOSEN * (CHOSEN + 1) // 2 + (LENGTH - CHOSEN) * CHOSEN
    every = LENGTH * (LENGTH + 1) // 2
    core = 2 * chosen * HEADS * (128 + 64 + 128)
    index = 2 * every * INDEX_HEADS * (INDEX_WIDTH + 1)  # q · k, and the weighted sum over heads
    assert load("deepseek-v3.2").flops(LENGTH, mask="causal").by_kind["attention"] == LAYERS * (core + index)


def test_the_indexer_is_what_deepseek_v32_has_beside_v3() -> None:
    """Queries from the query latent, one key with its norm's weight and bias, and a weight of every head."""
    layer = 1536 * INDEX_HEADS * INDEX_WIDTH + 7168 * INDEX_WIDTH + 2 * INDEX_WIDTH + 7168 * INDEX_HEADS
    assert load("deepseek-v3.2").params() - load("deepseek-v3").params() == LAYERS * layer == 851_524_864


def test_no_gradient_passes_through_the_choice() -> None:
    flops = load("deepseek-v3.2").flops(LENGTH)
    weights = 1536 * INDEX_HEADS * INDEX_WIDTH + 7168 * INDEX_WIDTH + 7168 * INDEX_HEADS
    index = LAYERS * 2 * (LENGTH * weights + LENGTH**2 * INDEX_HEADS * (INDEX_WIDTH + 1))
    assert flops.backward == 2 * (flops.forward - index)


_BASE: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 48, "intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 4, "max_position_embeddings": 64, "tie_word_embeddings": False, "num_experts_per_tok": 2,
}  # fmt: skip
_LATENT = {
    "moe_intermediate_size": 8, "q_lora_rank": 13, "kv_lora_rank": 9, "qk_nope_head_dim": 10, "qk_rope_head_dim": 4,
    "v_head_dim": 7, "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1,
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt_oss": {
        "model_type": "gpt_oss", **_BASE, "num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 8, "sliding_window": 5,
    },
    "llama4_text": {
        "model_type": "llama4_text", **_BASE, "intermediate_size_mlp": 24, "head_dim": 8, "num_local_experts": 8,
        "attention_chunk_size": 16, "interleave_moe_layer_step": 2,
    },
    "deepseek_v2": {"model_type": "deepseek_v2", **_BASE, **_LATENT},
    "deepseek_v32": {
        "model_type": "deepseek_v32", **_BASE, **_LATENT, "index_topk": 5, "index_head_dim": 6, "index_n_heads": 3,
    },
    "grok-2": {
        "model_type": "grok-2", **_BASE, "head_dim": 8, "num_local_experts": 8, "moe_intermediate_size": 8, "residual_moe": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("tensor", [1, 2, 4])
@pytest.mark.parametrize("name", CONFIGS)
def test_all_ranks_are_the_whole(name: str, tensor: int, sequence: bool) -> None:
    """Weights and FLOPs of all ranks, each counted once however many ranks repeat it."""
    model, plan = load(CONFIGS[name]), Plan(tensor=tensor, sequence=sequence)
    assert weights_of_all_ranks(model, plan) == model.params()
    forward, backward = Fraction(0), Fraction(0)
    for times, line in placed(model, plan, Step(1, 32, 0, "causal")):
        alike = Fraction(1) if line.nested else Fraction(line.op.over, line.op.copies)
        forward += times * tensor * alike * line.op.flops(line.step)
        backward += times * tensor * alike * sum(line.op.grad_flops(line.step))
    whole = model.flops(32, mask="causal")
    assert (forward, backward) == (whole.forward, whole.backward)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kernels", ["fused", "textbook"])
def test_the_parts_of_memory_add_up(name: str, kernels: str) -> None:
    training = Training(load(CONFIGS[name]).architecture, Plan(tensor=2, sequence=True, kernels=kernels), length=32)
    assert all(sum(stage._asdict().values()) == stage.peak for stage in training.memory())


def test_what_ranks_tell_each_other_of_the_choice_is_gathered_and_has_no_gradient() -> None:
    model, plan = load(CONFIGS["deepseek_v32"]), Plan(tensor=2, sequence=True)
    shared = {line.path: line.op for _, line in placed(model, plan, Step(1, 32)) if line.path.endswith(".shared")}
    assert set(shared) == {"attn.index_k_rotary.shared", "attn.index.shared"}
    for op in shared.values():
        assert isinstance(op, Collective)
        assert (op.forward, op.backward) == (("all_gather",), ())
