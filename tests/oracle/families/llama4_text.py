"""The text part of Llama 4."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {
    "feed_forward.router": "router",
    "feed_forward.experts.gate_up_proj": "experts.gate_up",
    "feed_forward.experts.down_proj": "experts.down",
    **{f"feed_forward.shared_expert.{name}_proj": f"shared.{name}" for name in ("gate", "up", "down")},
    **{f"feed_forward.{name}_proj": f"mlp.{name}" for name in ("gate", "up", "down")},
}
KINDS = [(r"\.lm_head$", "logits"), (r"\.feed_forward\.router$", "router"), (r"\.\d+\.self_attn$", "attention")]
_BASE: Values = {
    "model_type": "llama4_text", "vocab_size": 101, "hidden_size": 50, "intermediate_size": 22, "intermediate_size_mlp": 35,
    "num_hidden_layers": 5, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "num_local_experts": 7,
    "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "attention_chunk_size": 5, "use_qk_norm": True,
    "attention_bias": False, "hidden_act": "silu", "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "llama4_text": _BASE,
    "llama4_text-interleaved": {**_BASE, "interleave_moe_layer_step": 2, "use_qk_norm": False, "num_experts_per_tok": 2},
    "llama4_text-listed": {
        **_BASE,
        "moe_layers": [0, 3],
        "no_rope_layers": [1, 0, 1, 0, 0],
        "attention_bias": True,
        "tie_word_embeddings": True,
    },
    "llama4_text-interval": {**_BASE, "no_rope_layer_interval": 2, "moe_layers": []},
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 6)
    layers = values["num_hidden_layers"]
    return {
        **values,
        "intermediate_size_mlp": pick.randint(1, 90),
        "num_local_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        "attention_chunk_size": pick.choice([1, 3, 64]),
        **maybe(pick, attention_bias=pick.random() < 0.5, use_qk_norm=pick.random() < 0.5),
        **maybe(pick, interleave_moe_layer_step=pick.randint(1, 3), no_rope_layer_interval=pick.randint(1, 4)),
        **maybe(pick, moe_layers=pick.sample(range(layers), pick.randint(0, layers))),
        **maybe(pick, no_rope_layers=pick.choices([0, 1], k=layers)),
    }
