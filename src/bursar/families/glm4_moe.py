"""GLM-4.5, GLM-4.5-Air, GLM-4.6 and GLM-4.7 (arXiv:2508.06471): grouped attention that rotates a part of every head, and
DeepSeek-V3's shared and routed experts, router correction biases and multi-token-prediction module."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim, rotated
from bursar.families._deepseek import decoder
from bursar.ops.blocks import grouped_attention
from bursar.ops.elementwise import RMSNorm
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = head_dim(c, h, heads)
    attention = grouped_attention(
        "attn.norm", h, heads, c.dim("num_key_value_heads"), d, qkv_bias=c.flag("attention_bias", False),
        qk_norm=RMSNorm if c.flag("use_qk_norm", False) else None, rotated=rotated(c, d, default=0.5),
        dropout=c.probability("attention_dropout"),
    )  # fmt: skip
    return decoder(c, "glm4_moe", attention, correction=True)
