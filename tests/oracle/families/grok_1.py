"""Grok-1."""

from __future__ import annotations

from tests.oracle.values import Values

from ._grok import COMPONENTS, build
from ._grok import sizes as random

__all__ = ["COMPONENTS", "SMALL", "build", "random"]

_BASE: Values = {
    "model_type": "grok-1", "vocab_size": 101, "hidden_size": 50, "intermediate_size": 22, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "num_experts": 7, "num_experts_per_tok": 3,
    "max_position_embeddings": 64, "tie_word_embeddings": True,
}  # fmt: skip
SMALL: dict[str, Values] = {"grok-1": _BASE, "grok-1-untied": {**_BASE, "tie_word_embeddings": False, "num_key_value_heads": 6}}
