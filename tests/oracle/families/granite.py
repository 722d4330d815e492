"""Granite: constant factors beside Llama."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "granite", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu",
    "embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22, "attention_multiplier": 0.0625
}  # fmt: skip
SMALL: dict[str, Values] = {
    "granite": _BASE,
    "granite-biases-tied": {**_BASE, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=pick.random() < 0.5)
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.7, mlp_bias=pick.random() < 0.7, attention_dropout=0.25)}
