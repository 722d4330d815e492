"""Gemma 2. transformers has no fused attention that caps scores for it, so attention is written out."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {
    "post_attention_layernorm": "attn.post_norm",
    "pre_feedforward_layernorm": "mlp.norm",
    "post_feedforward_layernorm": "mlp.post_norm",
}
_BASE: Values = {
    "model_type": "gemma2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 14,
    "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 14, "sliding_window": 5, "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gemma2": _BASE,
    "gemma2-untied-uncapped": {
        **_BASE, "tie_word_embeddings": False, "attn_logit_softcapping": None, "final_logit_softcapping": None,
    },
    "gemma2-listed-biases": {
        **_BASE,
        "num_hidden_layers": 3,
        "layer_types": ["full_attention", "full_attention", "sliding_attention"],
        "attention_bias": True,
        "num_key_value_heads": 6,
    },
}  # fmt: skip


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=True)
    del values["hidden_act"]
    return {
        **values,
        "hidden_size": values["num_attention_heads"] * pick.randint(1, 12),  # transformers asks for a multiple
        "sliding_window": pick.choice([1, 3, 64]),
        "attn_logit_softcapping": pick.choice([None, 50.0]),
        "final_logit_softcapping": pick.choice([None, 30.0]),
        **maybe(
            pick,
            attention_bias=pick.random() < 0.7,
            layer_types=pick.choices(["full_attention", "sliding_attention"], k=values["num_hidden_layers"]),
        ),
    }
