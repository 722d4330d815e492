"""OLMoE."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "olmoe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 11, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "num_experts": 7, "num_experts_per_tok": 3, "clip_qkv": None, "attention_bias": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "olmoe": _BASE,
    "olmoe-biases-tied": {**_BASE, "attention_bias": True, "tie_word_embeddings": True, "num_key_value_heads": None},
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=False), pick.randint(1, 9)
    return {
        **values,
        pick.choice(["num_experts", "num_local_experts"]): experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, attention_bias=pick.random() < 0.7),
    }
