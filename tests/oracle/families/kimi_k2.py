"""Kimi K2: remote code whose class is DeepSeek-V3's."""

from __future__ import annotations

from tests.oracle.values import Values

from ._latent import sizes as random

__all__ = ["SMALL", "random"]

_BASE: Values = {
    "model_type": "kimi_k2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 6, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "moe_intermediate_size": 11, "q_lora_rank": 13, "kv_lora_rank": 9, "qk_nope_head_dim": 10,
    "qk_rope_head_dim": 4, "v_head_dim": 7, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3,
    "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1, "attention_bias": False,
    "num_nextn_predict_layers": 0,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "kimi_k2": _BASE,
    "kimi_k2-full-query": {**_BASE, "q_lora_rank": None, "n_shared_experts": 2, "n_group": 1},
    "kimi_k2-all-moe-tied": {**_BASE, "first_k_dense_replace": 0, "tie_word_embeddings": True, "attention_bias": True},
}
