"""Qwen3-Next: gated delta rule in chunks of 64, written out with batched products and two triangular solves."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_QWEN3_NEXT: Values = {
    "model_type": "qwen3_next", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16, "hidden_act": "silu", "max_position_embeddings": 64,
    "tie_word_embeddings": False, "partial_rotary_factor": 0.25, "full_attention_interval": 4, "linear_num_key_heads": 2,
    "linear_num_value_heads": 6, "linear_key_head_dim": 5, "linear_value_head_dim": 7, "linear_conv_kernel_dim": 3,
    "decoder_sparse_step": 1, "mlp_only_layers": [], "moe_intermediate_size": 11, "shared_expert_intermediate_size": 13,
    "num_experts": 7, "num_experts_per_tok": 3,
}  # fmt: skip

SMALL: dict[str, Values] = {
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_next-second-tied": {
        **_QWEN3_NEXT, "decoder_sparse_step": 2, "full_attention_interval": 2, "tie_word_embeddings": True
    },
    "qwen3_next-dense-biases": {**_QWEN3_NEXT, "mlp_only_layers": [0, 3], "attention_bias": True, "linear_num_value_heads": 2},
    "qwen3_next-listed": {**_QWEN3_NEXT, "layer_types": ["full_attention", *["linear_attention"] * 4], "linear_conv_kernel_dim": 9},
}  # fmt: skip

COMPONENTS = {
    "self_attn.q_proj": "attn.q_gate",
    "linear_attn.in_proj_qkvz": "attn.qkvz",
    "linear_attn.in_proj_ba": "attn.ba",
    "linear_attn.conv1d": "attn.conv",
    "linear_attn.A_log": "attn.decay",
    "linear_attn.dt_bias": "attn.decay",
    "linear_attn.norm": "attn.core_norm",
    "linear_attn.out_proj": "attn.out",
    "mlp.shared_expert.gate_proj": "shared.gate",
    "mlp.shared_expert.up_proj": "shared.up",
    "mlp.shared_expert.down_proj": "shared.down",
    "mlp.shared_expert_gate": "shared.score",
}


def random(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 9)
    layers, key_heads = values["num_hidden_layers"], pick.randint(1, 3)
    interval = pick.randint(1, layers)  # transformers asks for one layer of attention at least
    listed = [*pick.choices(["full_attention", "linear_attention"], k=layers - 1), "full_attention"]
    return {
        **values,
        "head_dim": 8 * pick.randint(1, 4),
        "linear_num_key_heads": key_heads,
        "linear_num_value_heads": key_heads * pick.randint(1, 3),
        "linear_key_head_dim": pick.randint(1, 9),
        "linear_value_head_dim": pick.randint(1, 9),
        "linear_conv_kernel_dim": pick.randint(1, 5),
        "moe_intermediate_size": pick.randint(1, 40),
        "shared_expert_intermediate_size": pick.randint(1, 40),
        "num_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, attention_bias=pick.random() < 0.7, decoder_sparse_step=pick.randint(1, 3)),
        **maybe(pick, mlp_only_layers=pick.sample(range(layers), pick.randint(0, layers)), layer_types=listed),
        "full_attention_interval": interval,
    }
