"""Jamba: Mamba's mixer with norms, attention and experts by period and offset. transformers runs no Jamba without any attention."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "jamba", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 23, "num_hidden_layers": 6,
    "num_attention_heads": 6, "num_key_value_heads": 2, "attn_layer_offset": 1, "attn_layer_period": 3, "expert_layer_offset": 1,
    "expert_layer_period": 2, "num_experts": 5, "num_experts_per_tok": 2, "mamba_d_state": 7, "mamba_d_conv": 4, "mamba_expand": 2,
    "mamba_dt_rank": 5, "mamba_conv_bias": True, "mamba_proj_bias": False, "hidden_act": "silu", "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "jamba": _BASE,
    "jamba-biases-tied": {**_BASE, "mamba_proj_bias": True, "mamba_conv_bias": False, "tie_word_embeddings": True},
    "jamba-one-expert": {**_BASE, "num_experts": 1, "num_experts_per_tok": 1, "mamba_dt_rank": "auto", "mamba_expand": 3},
}
COMPONENTS = {
    "model.final_layernorm": "norm", "pre_ff_layernorm": "mlp.norm", "mamba.in_proj": "mixer.in", "mamba.conv1d": "mixer.conv",
    "mamba.x_proj": "mixer.select", "mamba.dt_proj": "mixer.delta", "mamba.A_log": "mixer.scan", "mamba.D": "mixer.scan",
    "mamba.out_proj": "mixer.out", "mamba.dt_layernorm": "mixer.delta_norm", "mamba.b_layernorm": "mixer.b_norm",
    "mamba.c_layernorm": "mixer.c_norm", "feed_forward.gate_proj": "mlp.gate", "feed_forward.up_proj": "mlp.up",
    "feed_forward.down_proj": "mlp.down", "feed_forward.router": "router", "feed_forward.experts.gate_up_proj": "experts.gate_up",
    "feed_forward.experts.down_proj": "experts.down",
}  # fmt: skip
KINDS = [
    (r"\.lm_head$", "logits"), (r"\.feed_forward\.router$", "router"), (r"\.feed_forward\.experts$", "experts"),
    (r"\.self_attn$", "attention"),
]  # fmt: skip
LAYER = r"^model\.layers\.\d+\.(?!input_layernorm)"


def parts(module: str, tensor: object, values: Values) -> dict[str, int] | None:
    """The norm before a Mamba mixer is named like the one before attention; the layer's number says which it is."""
    if not module.endswith("input_layernorm"):
        return None
    return {"attn.norm" if _attends(values, int(module.split(".")[2])) else "mixer.norm": values["hidden_size"]}


def _attends(values: Values, layer: int) -> bool:
    return bool(layer % values.get("attn_layer_period", 8) == values.get("attn_layer_offset", 4))


def random(pick: Random) -> Values:
    groups, per_group, d = pick.randint(1, 3), pick.randint(1, 3), pick.randint(1, 9)
    attention, expert, experts, layers = pick.randint(1, 4), pick.randint(1, 3), pick.randint(1, 5), pick.randint(1, 6)
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": groups * per_group * d,
        "intermediate_size": pick.randint(1, 50),
        "num_hidden_layers": layers,
        "num_attention_heads": groups * per_group,
        "num_key_value_heads": groups,
        "attn_layer_period": attention,
        # never without attention: transformers asks the cache for a length that only attention layers have
        "attn_layer_offset": pick.randint(0, min(attention, layers) - 1),
        "expert_layer_period": expert,
        "expert_layer_offset": pick.randint(0, expert - 1),
        "num_experts": experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, mamba_d_state=pick.randint(1, 20), mamba_expand=pick.randint(1, 3), mamba_d_conv=pick.randint(2, 6)),
        **maybe(pick, mamba_dt_rank=pick.choice(["auto", 3]), mamba_proj_bias=pick.random() < 0.5),
        **maybe(pick, mamba_conv_bias=pick.random() < 0.5, tie_word_embeddings=pick.random() < 0.5),
    }
