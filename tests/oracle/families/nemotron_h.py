"""Nemotron-H: layers of one piece each by a pattern; Mamba 2 as in its own file, experts without a gate."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "nemotron_h", "vocab_size": 101, "hidden_size": 30, "intermediate_size": 23, "num_hidden_layers": 6,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "hybrid_override_pattern": "M-M*ME", "mamba_num_heads": 6,
    "mamba_head_dim": 9, "ssm_state_size": 7, "n_groups": 3, "conv_kernel": 4, "expand": 2, "chunk_size": 5,
    "moe_intermediate_size": 11, "moe_shared_expert_intermediate_size": 17, "n_routed_experts": 8, "n_shared_experts": 1,
    "num_experts_per_tok": 3, "n_group": 1, "topk_group": 1, "mamba_hidden_act": "silu", "mlp_hidden_act": "relu2",
    "attention_bias": False, "mlp_bias": False, "use_bias": False, "use_conv_bias": True, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "nemotron_h": _BASE,
    "nemotron_h-biases": {**_BASE, "mlp_bias": True, "use_bias": True, "use_conv_bias": False},
    "nemotron_h-groups-of-experts": {**_BASE, "hybrid_override_pattern": "*-MMEE", "n_group": 2, "topk_group": 1},
    "nemotron_h-listed": {
        **{key: value for key, value in _BASE.items() if key not in ("hybrid_override_pattern", "num_hidden_layers")},
        "layers_block_type": ["moe", "full_attention", "linear_attention"],
    },
}
LAYER = r"^model\.layers\.\d+\.(?!norm\.)"
COMPONENTS = {
    "model.embeddings": "embedding", "model.norm_f": "norm", "mixer.in_proj": "mixer.in", "mixer.conv1d": "mixer.conv",
    "mixer.A_log": "mixer.scan", "mixer.D": "mixer.scan", "mixer.dt_bias": "mixer.scan", "mixer.norm": "mixer.gated_norm",
    "mixer.out_proj": "mixer.out", "mixer.q_proj": "attn.q", "mixer.k_proj": "attn.k", "mixer.v_proj": "attn.v",
    "mixer.o_proj": "attn.out", "mixer.up_proj": "mlp.up", "mixer.down_proj": "mlp.down", "mixer.gate": "router",
    "mixer.experts.up_proj": "experts.gate_up", "mixer.experts.down_proj": "experts.down",
    "mixer.shared_experts.up_proj": "shared.up", "mixer.shared_experts.down_proj": "shared.down",
}  # fmt: skip
KINDS = [(r"\.lm_head$", "logits"), (r"\.mixer\.gate$", "router"), (r"\.mixer\.experts$", "experts")]
LETTERS = {"moe": "E", "full_attention": "*", "linear_attention": "M", "mlp": "-"}
NORMS = {"M": "mixer.norm", "*": "attn.norm", "-": "mlp.norm", "E": "mlp.norm"}


def _pattern(values: Values) -> str:
    return values.get("hybrid_override_pattern") or "".join(LETTERS[word] for word in values["layers_block_type"])


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The norm of every layer has one name; the layer's letter says what it is before."""
    if not module.endswith(".norm") or not module.startswith("model.layers."):
        return None
    return {NORMS[_pattern(values)[int(module.split(".")[2])]]: tensor.numel()}


def random(pick: Random) -> Values:
    groups, experts = pick.randint(1, 3), pick.randint(2, 6)
    kv_heads = pick.randint(1, 3)
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": pick.randint(5, 60),
        "intermediate_size": pick.randint(1, 50),
        # never without attention: transformers asks the cache for a length that only attention layers have
        "hybrid_override_pattern": "".join(pick.choices("M*-E", k=pick.randint(0, 6))) + "*",
        "num_attention_heads": kv_heads * pick.randint(1, 3),
        "num_key_value_heads": kv_heads,
        "head_dim": pick.randint(1, 12),
        "mamba_num_heads": groups * pick.randint(1, 3),
        "mamba_head_dim": pick.randint(1, 9),
        "n_groups": groups,
        "ssm_state_size": pick.randint(1, 20),
        "chunk_size": pick.choice([3, 8, 128]),
        "moe_intermediate_size": pick.randint(1, 30),
        "moe_shared_expert_intermediate_size": pick.randint(1, 30),
        "n_routed_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, conv_kernel=pick.randint(2, 6), use_bias=pick.random() < 0.5, use_conv_bias=pick.random() < 0.5),
        **maybe(pick, mlp_bias=pick.random() < 0.5, tie_word_embeddings=False),
    }
