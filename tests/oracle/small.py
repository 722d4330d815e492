"""Small configs of every family, of sizes that share few factors, so that a mistaken dimension shows in the count."""

from __future__ import annotations

from .families import SPECS
from .values import Values

_TRUNK: Values = {
    "vocab_size": 101,
    "hidden_size": 60,
    "intermediate_size": 77,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}
_GPT2: Values = {
    "model_type": "gpt2", "vocab_size": 101, "n_positions": 37, "n_embd": 60, "n_layer": 3, "n_head": 4, "n_inner": None,
    "tie_word_embeddings": True,
}  # fmt: skip
_LLAMA: Values = {"model_type": "llama", **_TRUNK, "attention_bias": False, "mlp_bias": False}
_MISTRAL: Values = {"model_type": "mistral", **_TRUNK, "head_dim": None, "sliding_window": None}
_MIXTRAL: Values = {"model_type": "mixtral", **_TRUNK, "num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": None}
_QWEN2: Values = {"model_type": "qwen2", **_TRUNK, "use_sliding_window": False, "sliding_window": 5, "max_window_layers": 1}
_QWEN3: Values = {"model_type": "qwen3", **_TRUNK, "head_dim": 14, "attention_bias": False}
_QWEN3_MOE: Values = {
    "model_type": "qwen3_moe", **_TRUNK, "num_hidden_layers": 5, "head_dim": 14, "attention_bias": False,
    "moe_intermediate_size": 11, "num_experts": 7, "num_experts_per_tok": 3, "decoder_sparse_step": 1, "mlp_only_layers": [],
}  # fmt: skip
_DEEPSEEK: Values = {
    "model_type": "deepseek_v3", **_TRUNK, "num_key_value_heads": 6, "moe_intermediate_size": 11, "q_lora_rank": 13,
    "kv_lora_rank": 9, "qk_nope_head_dim": 10, "qk_rope_head_dim": 4, "v_head_dim": 7, "n_routed_experts": 8,
    "n_shared_experts": 1, "num_experts_per_tok": 3, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
    "attention_bias": False,
}  # fmt: skip

SMALL: dict[str, Values] = {
    "gpt2": _GPT2,
    "gpt2-wide-untied": {**_GPT2, "n_inner": 77, "tie_word_embeddings": False, "activation_function": "relu"},
    "llama": _LLAMA,
    "llama-biases-tied": {**_LLAMA, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    "llama-head_dim": {**_LLAMA, "head_dim": 22, "num_key_value_heads": 3},
    "mistral": _MISTRAL,
    "mistral-window": {**_MISTRAL, "head_dim": 14, "sliding_window": 5, "num_key_value_heads": 1},
    "mixtral": _MIXTRAL,
    "mixtral-all-experts": {**_MIXTRAL, "head_dim": 14, "num_experts_per_tok": 5, "tie_word_embeddings": True},
    "mixtral-window": {**_MIXTRAL, "sliding_window": 5},
    "qwen2": _QWEN2,
    "qwen2-windows-tied": {**_QWEN2, "use_sliding_window": True, "tie_word_embeddings": True},
    "qwen3": _QWEN3,
    "qwen3-listed-windows": {
        **_QWEN3,
        "use_sliding_window": True,
        "sliding_window": 4,
        "max_window_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "qwen3-biases-tied": {**_QWEN3, "attention_bias": True, "tie_word_embeddings": True, "num_key_value_heads": 6},
    "qwen3_moe": _QWEN3_MOE,
    "qwen3_moe-every-second": {**_QWEN3_MOE, "decoder_sparse_step": 2, "attention_bias": True},
    "qwen3_moe-dense-layers": {**_QWEN3_MOE, "mlp_only_layers": [0, 3], "tie_word_embeddings": True},
    "qwen3_moe-both": {**_QWEN3_MOE, "decoder_sparse_step": 2, "mlp_only_layers": [1]},
    "qwen3_moe-window": {**_QWEN3_MOE, "use_sliding_window": True, "sliding_window": 5},
    "qwen3_moe-no-moe": {**_QWEN3_MOE, "decoder_sparse_step": 6},
    "deepseek_v3": _DEEPSEEK,
    "deepseek_v3-full-query": {**_DEEPSEEK, "q_lora_rank": None, "n_shared_experts": 2, "attention_bias": True},
    "deepseek_v3-biases-tied": {**_DEEPSEEK, "attention_bias": True, "tie_word_embeddings": True},
    "deepseek_v3-all-moe": {**_DEEPSEEK, "first_k_dense_replace": 0, "n_shared_experts": 3},
    "deepseek_v3-all-dense": {**_DEEPSEEK, "first_k_dense_replace": 3},
}

for _spec in SPECS.values():
    SMALL.update(_spec.SMALL)
