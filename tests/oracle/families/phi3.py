"""Phi-3: one tensor for Q, K and V, one for gate and up."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "phi3", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu",
    "tie_word_embeddings": False, "pad_token_id": 0
}  # fmt: skip
SMALL: dict[str, Values] = {
    "phi3": _BASE,
    "phi3-window-tied": {**_BASE, "sliding_window": 5, "tie_word_embeddings": True, "num_key_value_heads": 6},
    "phi3-dropout-partial": {**_BASE, "resid_pdrop": 0.1, "embd_pdrop": 0.1, "partial_rotary_factor": 0.5, "head_dim": 12},
}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The rows of Q are followed by those of K and of V, the rows of the gate by those of up."""
    rows = tensor.numel() // values["hidden_size"]
    if module == "self_attn.qkv_proj":
        heads, groups = values["num_attention_heads"], values.get("num_key_value_heads") or values["num_attention_heads"]
        head = tensor.numel() // (heads + 2 * groups)
        return {"attn.q": heads * head, "attn.k": groups * head, "attn.v": groups * head}
    if module == "mlp.gate_up_proj":
        return dict.fromkeys(("mlp.gate", "mlp.up"), rows // 2 * values["hidden_size"])
    return None


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=False)
    return {**values, "pad_token_id": 0, **maybe(pick, sliding_window=pick.choice([None, 1, 3, 64]), resid_pdrop=0.25)}
