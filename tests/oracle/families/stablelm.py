"""StableLM: with the parallel residual there is one norm a layer."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "stablelm", "vocab_size": 101, "hidden_size": 96, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "hidden_act": "silu", "partial_rotary_factor": 0.25,
    "use_qkv_bias": False, "use_parallel_residual": False, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "stablelm": _BASE,
    "stablelm-biases-tied": {**_BASE, "use_qkv_bias": True, "tie_word_embeddings": True, "hidden_dropout": 0.1},
    "stablelm-parallel": {**_BASE, "use_parallel_residual": True, "attention_dropout": 0.1},
    "stablelm-normed-heads": {**_BASE, "use_parallel_residual": True, "qk_layernorm": True},
}
COMPONENTS = {  # a norm for every head
    **{f"self_attn.q_layernorm.norms.{head}": "attn.q_norm" for head in range(64)},
    **{f"self_attn.k_layernorm.norms.{head}": "attn.k_norm" for head in range(64)},
}


def random(pick: Random) -> Values:
    values = {**trunk(pick, explicit_head_dim=False), "partial_rotary_factor": 1.0}
    return {**values, **maybe(pick, use_qkv_bias=pick.random() < 0.5, use_parallel_residual=True, qk_layernorm=True)}
