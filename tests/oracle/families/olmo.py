"""OLMo: LayerNorms without weights."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "olmo", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu"
}  # fmt: skip
SMALL: dict[str, Values] = {
    "olmo": _BASE,
    "olmo-biases-tied": {**_BASE, "attention_bias": True, "tie_word_embeddings": True, "num_key_value_heads": 6},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=pick.random() < 0.5)
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.7, attention_dropout=0.25, clip_qkv=None)}
