"""Phi-3.5-MoE."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "phimoe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 11, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "num_local_experts": 7, "num_experts_per_tok": 2, "attention_bias": True, "lm_head_bias": True,
    "sliding_window": 5, "input_jitter_noise": 0.01,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "phimoe": _BASE,
    "phimoe-no-biases": {**_BASE, "attention_bias": False, "lm_head_bias": False, "sliding_window": None},
    "phimoe-tied": {**_BASE, "tie_word_embeddings": True},
}
COMPONENTS = {"mlp.router": "router"}
KINDS = [
    (r"\.lm_head$", "logits"),
    (r"\.mlp\.router$", "router"),
    (r"\.mlp\.experts$", "experts"),
    (r"\.\d+\.self_attn$", "attention"),
]


def random(pick: Random) -> Values:
    return {
        **trunk(pick, explicit_head_dim=pick.random() < 0.5),
        "num_local_experts": pick.randint(2, 9),
        **maybe(pick, num_experts_per_tok=2, sliding_window=pick.choice([None, 1, 3])),
        **maybe(pick, attention_bias=pick.random() < 0.7, lm_head_bias=pick.random() < 0.7, input_jitter_noise=0.01),
    }
