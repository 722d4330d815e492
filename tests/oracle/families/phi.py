"""Phi: attention and feed-forward after one norm, an output layer with a bias."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "phi", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": None, "hidden_act": "gelu_new", "partial_rotary_factor": 0.4,
    "qk_layernorm": False, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "phi": _BASE,
    "phi-grouped-tied": {**_BASE, "num_key_value_heads": 2, "tie_word_embeddings": True, "resid_pdrop": 0.1},
    "phi-dropouts": {**_BASE, "embd_pdrop": 0.1, "attention_dropout": 0.1},
}
COMPONENTS = {"model.final_layernorm": "norm", "self_attn.dense": "attn.out", "mlp.fc1": "mlp.up", "mlp.fc2": "mlp.down"}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=False)
    if pick.random() < 0.3:
        values["num_key_value_heads"] = None
    return {**values, "hidden_act": "gelu_new", "partial_rotary_factor": 1.0, **maybe(pick, resid_pdrop=0.1)}
