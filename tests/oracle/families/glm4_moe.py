"""GLM-4.5 and its successors of the same structure."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, experts_in_groups, maybe, trunk

_BASE: Values = {
    "model_type": "glm4_moe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 4,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 12, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "moe_intermediate_size": 11, "n_routed_experts": 8, "n_shared_experts": 1,
    "num_experts_per_tok": 3, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1, "use_qk_norm": True,
    "attention_bias": True, "partial_rotary_factor": 0.5, "num_nextn_predict_layers": 1,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "glm4_moe": _BASE,
    "glm4_moe-plain-tied": {**_BASE, "use_qk_norm": False, "attention_bias": False, "tie_word_embeddings": True},
    "glm4_moe-all-moe": {**_BASE, "first_k_dense_replace": 0, "n_shared_experts": 3, "num_key_value_heads": 6},
    "glm4_moe-all-dense": {**_BASE, "first_k_dense_replace": 4},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=True)
    return {
        **values,
        **experts_in_groups(pick, values["num_hidden_layers"]),
        "head_dim": 4 * pick.randint(1, 4),
        **maybe(pick, attention_bias=pick.random() < 0.7, use_qk_norm=pick.random() < 0.7, partial_rotary_factor=0.5),
    }
