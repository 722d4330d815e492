"""DeepSeek-V2. Its rotation looks at pairs as complex numbers, for which the latent and the head must have even widths."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values

from ._latent import sizes

_BASE: Values = {
    "model_type": "deepseek_v2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 6, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "moe_intermediate_size": 11, "q_lora_rank": 13, "kv_lora_rank": 26, "qk_nope_head_dim": 10,
    "qk_rope_head_dim": 4, "v_head_dim": 7, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3,
    "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1, "attention_bias": False,
    "topk_method": "group_limited_greedy",
}  # fmt: skip
SMALL: dict[str, Values] = {
    "deepseek_v2": _BASE,
    "deepseek_v2-full-query": {**_BASE, "q_lora_rank": None, "n_shared_experts": 2, "topk_method": "greedy"},
    "deepseek_v2-biases-tied": {**_BASE, "attention_bias": True, "tie_word_embeddings": True, "first_k_dense_replace": 0},
}


def random(pick: Random) -> Values:
    values = sizes(pick)
    query = pick.choice([None, values["q_lora_rank"]])
    even = {key: 2 * values[key] for key in ("kv_lora_rank", "qk_nope_head_dim")}
    return {**values, **even, "q_lora_rank": query, "topk_method": pick.choice(["greedy", "group_limited_greedy"])}
