"""Qwen1.5-MoE and Qwen2-57B-A14B."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "qwen2_moe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "moe_intermediate_size": 11, "shared_expert_intermediate_size": 23, "num_experts": 7,
    "num_experts_per_tok": 3, "decoder_sparse_step": 1, "mlp_only_layers": [],
}  # fmt: skip
SMALL: dict[str, Values] = {
    "qwen2_moe": _BASE,
    "qwen2_moe-no-biases-tied": {**_BASE, "qkv_bias": False, "tie_word_embeddings": True},
    "qwen2_moe-every-second": {**_BASE, "decoder_sparse_step": 2, "mlp_only_layers": [1]},
    "qwen2_moe-windows": {**_BASE, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 3},
}
COMPONENTS = {
    "mlp.shared_expert.gate_proj": "shared.gate",
    "mlp.shared_expert.up_proj": "shared.up",
    "mlp.shared_expert.down_proj": "shared.down",
    "mlp.shared_expert_gate": "shared.score",
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=False), pick.randint(1, 9)
    layers = range(values["num_hidden_layers"])
    listed = pick.choices(["full_attention", "sliding_attention"], k=len(layers))
    return {
        **values,
        "moe_intermediate_size": pick.randint(1, 40),
        "shared_expert_intermediate_size": pick.randint(1, 60),
        "num_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, qkv_bias=pick.random() < 0.5, decoder_sparse_step=pick.randint(1, 4)),
        **maybe(pick, mlp_only_layers=pick.sample(layers, pick.randint(0, len(layers)))),
        "sliding_window": 3,
        "max_window_layers": pick.randint(0, len(layers)),
        **pick.choice([{}, {"use_sliding_window": True}, {"use_sliding_window": True, "layer_types": listed}]),
    }
