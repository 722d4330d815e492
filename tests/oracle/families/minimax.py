"""MiniMax: lightning attention in blocks beside full attention; both have one module name."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_MINIMAX: Values = {
    "model_type": "minimax", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 4,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "num_local_experts": 5, "num_experts_per_tok": 2, "block_size": 6,
}  # fmt: skip

SMALL: dict[str, Values] = {
    "minimax": _MINIMAX,
    "minimax-listed-tied": {
        **_MINIMAX, "layer_types": [*["linear_attention"] * 3, "full_attention"], "tie_word_embeddings": True, "head_dim": None,
        "full_attn_alpha_factor": 3.5, "linear_attn_beta_factor": 1.0,
    },
    "minimax-window": {**_MINIMAX, "sliding_window": 5, "block_size": 256, "partial_rotary_factor": 0.5, "rotary_dim": 7},
}  # fmt: skip

COMPONENTS = {
    "self_attn.qkv_proj": "attn.qkv",
    "self_attn.norm": "attn.core_norm",
    "self_attn.output_gate": "attn.gate",
    "self_attn.out_proj": "attn.out",
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=pick.random() < 0.5), pick.randint(1, 6)
    layers = values["num_hidden_layers"]
    return {
        **values,
        "num_local_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, block_size=pick.randint(1, 30), sliding_window=pick.choice([None, 3])),
        **maybe(pick, layer_types=pick.choices(["full_attention", "linear_attention"], k=layers)),
    }
