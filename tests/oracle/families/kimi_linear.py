"""Kimi Linear: Kimi Delta Attention in chunks of 64, written out. transformers keeps one convolution where the release has three,
and one module name for both attentions."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.families._latent import free_sizes
from tests.oracle.values import Values

_KIMI: Values = {
    "model_type": "kimi_linear", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 4,
    "num_attention_heads": 6, "num_key_value_heads": 6, "hidden_act": "silu", "model_max_length": 64, "tie_word_embeddings": False,
    "moe_intermediate_size": 11, "q_lora_rank": None, "kv_lora_rank": 9, "qk_nope_head_dim": 10, "qk_rope_head_dim": 4,
    "v_head_dim": 7, "num_experts": 8, "num_shared_experts": 1, "num_experts_per_tok": 3, "first_k_dense_replace": 1,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "num_expert_group": 2, "topk_group": 1, "mla_use_nope": True,
    "linear_attn_config": {
        "num_heads": 5, "head_dim": 6, "short_conv_kernel_size": 3, "kda_layers": [1, 2, 3], "full_attn_layers": [4],
    },
}  # fmt: skip
_MIXED: Values = {
    "num_heads": 3, "head_dim": 8, "short_conv_kernel_size": 9, "kda_layers": [2, 4], "full_attn_layers": [1, 3]
}  # fmt: skip

SMALL: dict[str, Values] = {
    "kimi_linear": _KIMI,
    "kimi_linear-mixed-biases": {**_KIMI, "linear_attn_config": _MIXED, "first_k_dense_replace": 2, "attention_bias": True},
    "kimi_linear-query-latent": {**_KIMI, "q_lora_rank": 13, "num_shared_experts": 2, "first_k_dense_replace": 0},
}

COMPONENTS = {
    "self_attn.forget_gate.A_log": "attn.decay",
    "self_attn.forget_gate.dt_bias": "attn.decay",
    "self_attn.forget_gate.f_a_proj": "attn.decay_down",
    "self_attn.forget_gate.f_b_proj": "attn.decay_up",
    "self_attn.b_proj": "attn.b",
    "self_attn.g_a_proj": "attn.gate_down",
    "self_attn.g_b_proj": "attn.gate",
    "self_attn.o_norm": "attn.core_norm",
}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """One convolution over Q, K and V; and the products before it, which have the names of latent attention's query."""
    linear = values["linear_attn_config"]
    if module == "self_attn.conv1d":
        return dict.fromkeys(("attn.q", "attn.k", "attn.v"), tensor.numel() // 3)
    if module in ("self_attn.k_proj", "self_attn.v_proj"):
        return {f"attn.{module[10]}_linear": tensor.numel()}
    if module == "self_attn.q_proj" and _is_linear(tensor, linear, values):
        return {"attn.q_linear": tensor.numel()}
    return None


def _is_linear(tensor: Any, linear: Values, values: Values) -> bool:
    """Whether a query product is a linear layer's: the widths of the two attentions differ in every config that is compared."""
    wide = linear["num_heads"] * linear["head_dim"]
    assert wide != values["num_attention_heads"] * (values["qk_nope_head_dim"] + values["qk_rope_head_dim"])
    return bool(tensor.shape[0] == wide)


# the names that Kimi Linear has for DeepSeek's
NAMES = {
    "n_routed_experts": "num_experts", "n_shared_experts": "num_shared_experts", "num_experts_per_tok": "num_experts_per_token",
    "n_group": "num_expert_group",
}  # fmt: skip


def random(pick: Random) -> Values:
    values = {
        key: value for key, value in free_sizes(pick).items() if key not in ("max_position_embeddings", "tie_word_embeddings")
    }
    layers = range(1, values["num_hidden_layers"] + 1)
    full = {i for i in layers[:-1] if pick.random() < 0.4} | {layers[-1]}  # transformers asks for one layer of attention
    return {
        **{NAMES.get(key, key): value for key, value in values.items()},
        "pad_token_id": 0,
        "linear_attn_config": {
            "num_heads": pick.randint(1, 5),
            "head_dim": pick.randint(1, 9),
            "short_conv_kernel_size": pick.randint(1, 5),
            "full_attn_layers": sorted(full),
            "kda_layers": [i for i in layers if i not in full],
        },
    }
