"""StarCoder2: biases as a switch, a window in every layer or in none."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "starcoder2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "gelu_pytorch_tanh", "use_bias": True,
    "sliding_window": None, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "starcoder2": _BASE,
    "starcoder2-window-tied": {**_BASE, "sliding_window": 5, "tie_word_embeddings": True, "residual_dropout": 0.1},
    "starcoder2-unbiased": {**_BASE, "use_bias": False, "embedding_dropout": 0.1, "attention_dropout": 0.1},
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=False)
    return {**values, "hidden_act": "gelu", **maybe(pick, use_bias=pick.random() < 0.5, sliding_window=pick.choice([None, 3, 64]))}
