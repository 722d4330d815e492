"""PaLM: transformers has no class of it, but Command R's layer is PaLM's: one LayerNorm without bias, attention and SwiGLU beside
each other, no biases, a tied head. Only the sizes differ."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, trunk

_BASE: Values = {
    "model_type": "palm", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 5, "num_key_value_heads": 1, "head_dim": 14, "hidden_act": "silu", "tie_word_embeddings": True,
}  # fmt: skip
SMALL: dict[str, Values] = {"palm": _BASE, "palm-untied": {**_BASE, "tie_word_embeddings": False, "num_attention_heads": 6}}


def random(pick: Random) -> Values:
    return {**trunk(pick, explicit_head_dim=True), "num_key_value_heads": 1, "tie_word_embeddings": pick.random() < 0.5}
