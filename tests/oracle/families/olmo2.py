"""OLMo 2: norms after attention and feed-forward, norms over all heads of Q and of K."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

COMPONENTS = {"post_attention_layernorm": "attn.post_norm", "post_feedforward_layernorm": "mlp.post_norm"}
_BASE: Values = {
    "model_type": "olmo2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu"
}  # fmt: skip
SMALL: dict[str, Values] = {
    "olmo2": _BASE,
    "olmo2-biases-tied": {**_BASE, "attention_bias": True, "tie_word_embeddings": True, "num_key_value_heads": 6},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=pick.random() < 0.5)
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.7, attention_dropout=0.25)}
