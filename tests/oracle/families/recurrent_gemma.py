"""RecurrentGemma: recurrent blocks and blocks of local attention, in turn."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "recurrent_gemma", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 46, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "lru_width": 42, "attention_window_size": 5, "conv1d_width": 4,
    "logits_soft_cap": 30.0, "hidden_activation": "gelu_pytorch_tanh", "block_types": ["recurrent", "recurrent", "attention"],
    "tie_word_embeddings": True,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "recurrent_gemma": _BASE,
    "recurrent_gemma-untied": {**_BASE, "lru_width": None, "num_key_value_heads": None, "tie_word_embeddings": False},
    "recurrent_gemma-attention-first": {**_BASE, "block_types": ["attention", "recurrent"], "conv1d_width": 3},
}
LAYER = r"^model\.layers\.\d+\.(?!temporal_pre_norm)"
COMPONENTS = {
    "model.final_norm": "norm", "channel_pre_norm": "mlp.norm", "mlp_block.gate_proj": "mlp.gate", "mlp_block.up_proj": "mlp.up",
    "mlp_block.down_proj": "mlp.down", "temporal_block.q_proj": "attn.q", "temporal_block.k_proj": "attn.k",
    "temporal_block.v_proj": "attn.v", "temporal_block.o_proj": "attn.out", "temporal_block.linear_y": "mixer.y",
    "temporal_block.linear_x": "mixer.x", "temporal_block.linear_out": "mixer.out", "temporal_block.conv_1d": "mixer.conv",
    "temporal_block.rg_lru.recurrent_param": "mixer.scan", "temporal_block.rg_lru.input_gate_weight": "mixer.input_gate",
    "temporal_block.rg_lru.input_gate_bias": "mixer.input_gate",
    "temporal_block.rg_lru.recurrent_gate_weight": "mixer.recurrence_gate",
    "temporal_block.rg_lru.recurrent_gate_bias": "mixer.recurrence_gate",
}  # fmt: skip
KINDS = [(r"\.lm_head$", "logits")]


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The norm before both kinds of blocks has one name; the layer's number says which it is before."""
    if not module.endswith("temporal_pre_norm"):
        return None
    return {"attn.norm" if _blocks(values)[int(module.split(".")[2])] == "attention" else "mixer.norm": tensor.numel()}


def _blocks(values: Values) -> list[str]:
    kinds = values.get("block_types", ["recurrent", "recurrent", "attention"])
    return [kinds[i % len(kinds)] for i in range(values["num_hidden_layers"])]


def random(pick: Random) -> Values:
    groups, per_group, d = pick.randint(1, 3), pick.randint(1, 3), 4 * pick.randint(1, 4)
    heads = groups * per_group
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * d,
        "intermediate_size": 2 * pick.randint(1, 50),
        "num_hidden_layers": pick.randint(1, 6),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        **maybe(pick, lru_width=heads * pick.randint(1, 9), attention_window_size=pick.randint(1, 30)),
        **maybe(pick, conv1d_width=pick.randint(2, 6), tie_word_embeddings=pick.random() < 0.5),
        **maybe(pick, block_types=pick.choices(["recurrent", "attention"], k=pick.randint(1, 4))),
    }
