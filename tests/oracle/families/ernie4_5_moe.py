"""ERNIE 4.5 mixtures of experts."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "ernie4_5_moe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": True, "moe_num_experts": 7, "num_experts_per_tok": 3, "moe_intermediate_size": 11,
    "moe_num_shared_experts": 2, "moe_layer_start_index": 1, "moe_layer_end_index": 4, "moe_layer_interval": 1, "use_bias": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "ernie4_5_moe": _BASE,
    "ernie4_5_moe-biases-untied": {**_BASE, "use_bias": True, "tie_word_embeddings": False},
    "ernie4_5_moe-no-shared": {**_BASE, "moe_num_shared_experts": 0, "moe_layer_end_index": -1},
    "ernie4_5_moe-every-second": {**_BASE, "moe_layer_interval": 2, "moe_layer_end_index": 3, "use_bias": True},
}
COMPONENTS = {"mlp.gate.moe_statics.e_score_correction_bias": "router"}  # here a parameter without a gradient


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=False), pick.randint(1, 9)
    layers = values["num_hidden_layers"]
    first = pick.randint(0, layers - 1)
    return {
        **values,
        "moe_intermediate_size": pick.randint(1, 40),
        pick.choice(["moe_num_experts", "num_experts"]): experts,
        pick.choice(["moe_k", "num_experts_per_tok"]): pick.randint(1, experts),
        "moe_num_shared_experts": pick.randint(0, 3),
        "moe_layer_start_index": first,
        **maybe(
            pick, moe_layer_end_index=pick.choice([-1, pick.randint(first, layers - 1)]), moe_layer_interval=pick.randint(1, 3)
        ),
        **maybe(pick, use_bias=pick.random() < 0.7),
    }
