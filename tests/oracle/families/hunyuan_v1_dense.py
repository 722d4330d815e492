"""Hunyuan dense: norms of Q and K after their rotation."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {"self_attn.query_layernorm": "attn.q_norm", "self_attn.key_layernorm": "attn.k_norm"}
_BASE: Values = {
    "model_type": "hunyuan_v1_dense", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 10, "hidden_act": "silu"
}  # fmt: skip
SMALL: dict[str, Values] = {
    "hunyuan_v1_dense": _BASE,
    "hunyuan_v1_dense-biases-tied": {**_BASE, "attention_bias": True, "tie_word_embeddings": True, "head_dim": 14},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=True)
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.7, attention_dropout=0.25)}
