"""GLM-4: one tensor for gate and up, half of each head rotated."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "glm", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 12, "hidden_act": "silu",
    "tie_word_embeddings": False, "attention_bias": True, "pad_token_id": 0
}  # fmt: skip
SMALL: dict[str, Values] = {
    "glm": _BASE,
    "glm-no-bias-tied": {**_BASE, "attention_bias": False, "tie_word_embeddings": True, "num_key_value_heads": 6},
}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The rows of the gate are followed by those of up."""
    if module == "mlp.gate_up_proj":
        return dict.fromkeys(("mlp.gate", "mlp.up"), tensor.numel() // 2)
    return None


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=True)
    values["head_dim"] = 4 * pick.randint(1, 4)  # half of it is rotated by pairs
    return {**values, "pad_token_id": 0, "attention_bias": pick.random() < 0.7, **maybe(pick, attention_dropout=0.25)}
