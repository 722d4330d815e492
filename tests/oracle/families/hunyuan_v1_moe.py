"""Hunyuan-A13B."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "hunyuan_v1_moe", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 11, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": True, "num_experts": 7, "num_experts_per_tok": 3, "attention_bias": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "hunyuan_v1_moe": _BASE,
    "hunyuan_v1_moe-biases-untied": {**_BASE, "attention_bias": True, "tie_word_embeddings": False, "num_key_value_heads": 6},
}
COMPONENTS = {
    "self_attn.query_layernorm": "attn.q_norm",
    "self_attn.key_layernorm": "attn.k_norm",
    "mlp.gate.wg": "router",
    "mlp.shared_mlp.gate_proj": "shared.gate",
    "mlp.shared_mlp.up_proj": "shared.up",
    "mlp.shared_mlp.down_proj": "shared.down",
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 9)
    layers = values["num_hidden_layers"]
    listed = [pick.randint(1, experts) for _ in range(layers)]
    chosen = pick.choice([{"num_experts_per_tok": pick.randint(1, experts)}, {"moe_topk": listed}, {"moe_topk": listed[0]}])
    return {**values, "num_experts": experts, **chosen, **maybe(pick, attention_bias=pick.random() < 0.7)}
