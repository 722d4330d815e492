"""Grok-2."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values

from ._grok import COMPONENTS, build, sizes

__all__ = ["COMPONENTS", "SMALL", "build", "random"]

_BASE: Values = {
    "model_type": "grok-2", "vocab_size": 101, "hidden_size": 50, "intermediate_size": 33, "moe_intermediate_size": 22,
    "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "num_local_experts": 7,
    "num_experts_per_tok": 3, "residual_moe": True, "hidden_act": "gelu", "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {"grok-2": _BASE, "grok-2-tied": {**_BASE, "tie_word_embeddings": True, "num_key_value_heads": 6}}


def random(pick: Random) -> Values:
    return {**sizes(pick), "moe_intermediate_size": pick.randint(1, 60), "residual_moe": True}
