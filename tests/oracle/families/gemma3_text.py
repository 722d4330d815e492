"""Gemma 3, text: five windows for each full layer, norms of Q and K, norms after each part."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {
    "post_attention_layernorm": "attn.post_norm",
    "pre_feedforward_layernorm": "mlp.norm",
    "post_feedforward_layernorm": "mlp.post_norm",
}
_BASE: Values = {
    "model_type": "gemma3_text", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 7,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 14,
    "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 14, "sliding_window": 5
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gemma3_text": _BASE,
    "gemma3_text-pattern-untied": {**_BASE, "sliding_window_pattern": 2, "num_hidden_layers": 3, "tie_word_embeddings": False},
    "gemma3_text-listed-biases-capped": {
        **_BASE,
        "num_hidden_layers": 3,
        "layer_types": ["full_attention", "full_attention", "sliding_attention"],
        "attention_bias": True,
        "final_logit_softcapping": 30.0,
    },
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=True)
    del values["hidden_act"]
    return {
        **values,
        "hidden_size": values["num_attention_heads"] * pick.randint(1, 12),  # transformers asks for a multiple
        "sliding_window": pick.choice([1, 3, 64]),
        **maybe(
            pick,
            attention_bias=pick.random() < 0.7,
            sliding_window_pattern=pick.randint(1, 6),
            layer_types=pick.choices(["full_attention", "sliding_attention"], k=values["num_hidden_layers"]),
        ),
    }
