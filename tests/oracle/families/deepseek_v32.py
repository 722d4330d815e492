"""DeepSeek-V3.2.

The indexer chooses without a gradient: its products have no backward pass, in transformers as here (`useless`).
"""

from __future__ import annotations

from tests.oracle.values import Values

from ._latent import INDEXER as COMPONENTS
from ._latent import index_gradients as useless
from ._latent import indexed_sizes as random

__all__ = ["COMPONENTS", "SMALL", "random", "useless"]

_BASE: Values = {
    "model_type": "deepseek_v32", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 6, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "moe_intermediate_size": 11, "q_lora_rank": 13, "kv_lora_rank": 9, "qk_nope_head_dim": 10,
    "qk_rope_head_dim": 4, "v_head_dim": 7, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3,
    "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1, "attention_bias": False, "index_topk": 5, "index_head_dim": 14,
    "index_n_heads": 5,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "deepseek_v32": _BASE,
    "deepseek_v32-biases-tied": {**_BASE, "attention_bias": True, "tie_word_embeddings": True, "n_shared_experts": 2},
    "deepseek_v32-listed": {**_BASE, "mlp_layer_types": ["sparse", "dense", "sparse"], "index_topk": 64},
}
