"""Granite 3 mixtures of experts."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "granitemoe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 11, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": True, "num_local_experts": 7, "num_experts_per_tok": 3, "attention_bias": False,
    "embedding_multiplier": 12.0, "logits_scaling": 6.0, "residual_multiplier": 0.22, "attention_multiplier": 0.015625,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "granitemoe": _BASE,
    "granitemoe-biases-untied": {**_BASE, "attention_bias": True, "tie_word_embeddings": False, "num_key_value_heads": None},
}
COMPONENTS = {
    "block_sparse_moe.router": "router",
    "block_sparse_moe.experts.gate_up_proj": "experts.gate_up",
    "block_sparse_moe.experts.down_proj": "experts.down",
}
KINDS = [
    (r"\.lm_head$", "logits"),
    (r"\.block_sparse_moe\.router$", "router"),
    (r"\.block_sparse_moe\.experts$", "experts"),
    (r"\.\d+\.self_attn$", "attention"),
]


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=False), pick.randint(1, 9)
    return {
        **values,
        "num_local_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, attention_bias=pick.random() < 0.7, residual_multiplier=0.22, logits_scaling=6.0),
    }
