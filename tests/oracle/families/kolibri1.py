"""Kolibri 1: four windows for each full layer without positions, experts beside a shared one, norms on both sides of a piece."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {"post_self_attn_layernorm": "attn.post_norm", "post_mlp_layernorm": "mlp.post_norm"}
_BASE: Values = {
    "model_type": "kolibri1", "vocab_size": 101, "hidden_size": 50, "num_hidden_layers": 6, "num_attention_heads": 6,
    "num_key_value_heads": 2, "head_dim": 14, "moe_intermediate_size": 11, "shared_expert_intermediate_size": 17, "num_experts": 7,
    "num_experts_per_tok": 3, "sliding_window": 5, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "kolibri1": _BASE,
    "kolibri1-listed-tied": {
        **_BASE,
        "num_hidden_layers": 3,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        "tie_word_embeddings": True,
    },
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 6)
    del values["intermediate_size"]  # no layer is dense
    return {
        **values,
        "moe_intermediate_size": pick.randint(1, 40),
        "shared_expert_intermediate_size": pick.randint(1, 40),
        pick.choice(["num_experts", "num_local_experts"]): experts,
        "num_experts_per_tok": pick.randint(1, experts),
        "sliding_window": pick.choice([1, 3, 64]),
        **maybe(
            pick,
            norm_topk_prob=pick.random() < 0.5,
            attention_dropout=0.25,
            layer_types=pick.choices(["full_attention", "sliding_attention"], k=values["num_hidden_layers"]),
        ),
    }
