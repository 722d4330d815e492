"""Grouped attention with one norm over all heads of Q and one over all of K (OLMoE, MiniMax-M2)."""

from __future__ import annotations

from bursar.dims import Dim
from bursar.ops.attention import Attention
from bursar.ops.blocks import Lines
from bursar.ops.elementwise import Rotary
from bursar.ops.linear import Linear
from bursar.ops.norms import WideNorm


def wide_norm_attention(
    x: str, h: Dim, heads: Dim, kv_heads: Dim, d: Dim, *, bias: bool, rotated: Dim, dropout: float
) -> Lines:  # fmt: skip
    """Attention with rotary positions and grouped keys; Q and K are normed before they are split into heads."""
    return {
        "attn.q": Linear(x, h, heads * d, "column", bias, unit=d),
        "attn.k": Linear(x, h, kv_heads * d, "column", bias, unit=d),
        "attn.v": Linear(x, h, kv_heads * d, "column", bias, unit=d),
        "attn.q_norm": WideNorm("attn.q", heads * d),
        "attn.k_norm": WideNorm("attn.k", kv_heads * d),
        "attn.q_rotary": Rotary("attn.q_norm", heads * d, rotated),
        "attn.k_rotary": Rotary("attn.k_norm", kv_heads * d, rotated),
        "attn.core": Attention("attn.q_rotary", "attn.k_rotary", "attn.v", heads, kv_heads, d, d, kv_heads * (d + d), dropout),
        "attn.out": Linear("attn.core", heads * d, h, "row", bias),
    }
