"""gpt-oss. transformers has no fused attention with sinks for it, so attention is written out."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {
    "self_attn.sinks": "attn.core",
    "mlp.router": "router",
    "mlp.experts.gate_up_proj_bias": "experts.gate_up",
    "mlp.experts.down_proj_bias": "experts.down",
}
KINDS = [
    (r"\.lm_head$", "logits"),
    (r"\.mlp\.router$", "router"),
    (r"\.mlp\.experts$", "experts"),
    (r"\.\d+\.self_attn$", "attention"),
]
_BASE: Values = {
    "model_type": "gpt_oss", "vocab_size": 101, "hidden_size": 50, "intermediate_size": 22, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "num_local_experts": 7, "num_experts_per_tok": 3,
    "sliding_window": 5, "attention_bias": True, "hidden_act": "silu", "swiglu_limit": 7.0, "max_position_embeddings": 64,
    "tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 150000.0},
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gpt_oss": _BASE,
    "gpt_oss-listed-tied": {
        **_BASE,
        "num_hidden_layers": 3,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        "tie_word_embeddings": True,
    },
    "gpt_oss-no-bias": {**_BASE, "attention_bias": False, "num_key_value_heads": 6},
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 6)
    layers = values["num_hidden_layers"]
    return {
        **values,
        "num_local_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        "sliding_window": pick.choice([1, 3, 64]),
        "rope_parameters": {"rope_type": "default", "rope_theta": 150000.0},
        **maybe(
            pick,
            attention_bias=pick.random() < 0.5,
            layer_types=pick.choices(["full_attention", "sliding_attention"], k=layers),
        ),
    }
