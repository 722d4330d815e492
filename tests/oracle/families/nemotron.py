"""Nemotron: a head width of its own, biases as switches."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "nemotron", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "hidden_act": "relu2", "partial_rotary_factor": 0.5,
    "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "nemotron": _BASE,
    "nemotron-biases-tied": {**_BASE, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": None},
    "nemotron-dropout": {**_BASE, "attention_dropout": 0.1, "num_key_value_heads": 6},
}


def random(pick: Random) -> Values:
    values = {**trunk(pick, explicit_head_dim=pick.random() < 0.5), "hidden_act": "relu2", "partial_rotary_factor": 1.0}
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.5, mlp_bias=pick.random() < 0.5)}
