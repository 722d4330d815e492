"""RecurrentGemma: the counter sees the projections, the convolution, the gates' block-diagonal products and the attention core; the
recurrence itself is no matrix product and is written out in `aside`."""

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


def inputs(values: Values, seq: int, batch: int, device: str) -> dict[str, Any]:
    """Without a recurrent state: with one, a sequence of one token is a decoding step, whose convolution is no convolution. An
    empty cache of keys keeps transformers from reading the values of a mask, as elsewhere."""
    from tests.oracle.reference import tokens, transformers

    return {"input_ids": tokens(seq, batch, device), "use_cache": False, "past_key_values": transformers.DynamicCache()}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The norm before both kinds of blocks has one name; the layer's number says which it is before."""
    if not module.endswith("temporal_pre_norm"):
        return None
    return {"attn.norm" if _blocks(values)[int(module.split(".")[2])] == "attention" else "mixer.norm": tensor.numel()}


def _blocks(values: Values) -> list[str]:
    kinds = values.get("block_types", ["recurrent", "recurrent", "attention"])
    return [kinds[i % len(kinds)] for i in range(values["num_hidden_layers"])]


def _convolution(values: Values, seq: int) -> tuple[int, int, int, int]:
    """How many there are, channels, kernel, and outputs per channel: kernel − 1 behind the end of the sequence are cut off."""
    kernel = values.get("conv1d_width", 4)
    return _blocks(values).count("recurrent"), values.get("lru_width") or values["hidden_size"], kernel, seq + kernel - 1


def _core(values: Values, seq: int, batch: int) -> int:
    """Q Kᵀ and its product with V. Both kinds of blocks are a module `temporal_block`, so that the counter's names cannot tell this
    product from the others: it is moved from `linear` to `attention`, which leaves the total as the counter has it."""
    return _blocks(values).count("attention") * 2 * 2 * batch * seq * seq * values["hidden_size"]


def aside(values: Values, seq: int, batch: int) -> dict[str, int]:
    """The gated input, its scale, and a multiply-add of h for every channel (arXiv:2402.19427, section 2.4)."""
    blocks, channels, _, _ = _convolution(values, seq)
    return {"scan": blocks * batch * seq * channels * (1 + 1 + 2), "attention": _core(values, seq, batch)}


def over(values: Values, seq: int, batch: int) -> int:
    blocks, channels, kernel, outputs = _convolution(values, seq)
    return blocks * 2 * batch * (outputs - seq) * channels * kernel + _core(values, seq, batch)


def lacking(values: Values, seq: int, batch: int) -> int:
    """The counter's formula for the gradient of filters does not know groups: every channel's filter meets every channel."""
    blocks, channels, kernel, outputs = _convolution(values, seq)
    return -blocks * 2 * batch * outputs * channels * kernel * (channels - 1)


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
