"""Command R: a parallel block, LayerNorm without bias, a weight per head in the norms of Q and K."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "cohere", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu"
}  # fmt: skip
SMALL: dict[str, Values] = {
    "cohere": _BASE,
    "cohere-qk-norm": {**_BASE, "use_qk_norm": True},
    "cohere-untied-biases": {**_BASE, "tie_word_embeddings": False, "attention_bias": True, "num_key_value_heads": 6},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=pick.random() < 0.5)
    return {**values, **maybe(pick, use_qk_norm=pick.random() < 0.7, attention_bias=pick.random() < 0.7, attention_dropout=0.25)}
