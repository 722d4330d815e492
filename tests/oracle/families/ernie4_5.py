"""ERNIE 4.5, dense: one switch for all biases."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "ernie4_5", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 14, "hidden_act": "silu"
}  # fmt: skip
SMALL: dict[str, Values] = {
    "ernie4_5": _BASE,
    "ernie4_5-biases-untied": {**_BASE, "use_bias": True, "tie_word_embeddings": False, "num_key_value_heads": 6},
    "ernie4_5-head_dim-null": {**_BASE, "head_dim": None},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=pick.random() < 0.5)
    return {"head_dim": None, **values, **maybe(pick, use_bias=pick.random() < 0.7)}
