"""Gemma: heads wider than hidden size over heads, GeGLU, a tied head."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "gemma", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 14,
    "hidden_act": "gelu_pytorch_tanh",
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gemma": _BASE,
    "gemma-untied-one-head": {**_BASE, "num_key_value_heads": 1, "tie_word_embeddings": False},
    "gemma-biases": {**_BASE, "attention_bias": True, "hidden_act": "gelu", "num_key_value_heads": 6},
}


def random(pick: Random) -> Values:
    values = {**trunk(pick, explicit_head_dim=True), "hidden_act": "gelu_pytorch_tanh"}
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.7, attention_dropout=0.25)}
