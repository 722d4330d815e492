"""MiniMax-M2."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "minimax_m2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 11, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "num_local_experts": 7, "num_experts_per_tok": 3, "rotary_dim": 8, "use_qk_norm": True,
    "qk_norm_type": "per_layer", "use_routing_bias": True, "shared_intermediate_size": 0,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "minimax_m2": _BASE,
    "minimax_m2-tied": {**_BASE, "tie_word_embeddings": True, "num_key_value_heads": 6, "rotary_dim": 14},
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 9)
    return {
        **values,
        pick.choice(["num_local_experts", "num_experts"]): experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, rotary_dim=2 * pick.randint(1, values["head_dim"] // 2)),
    }
