"""The composites that families are written in: attention, feed-forward, experts, stem and head.

Each returns the lines of a block under standard names (`attn.q`, `mlp.up`, `experts` …), so that a family reads like the
figure of its paper. They take sizes, never a config, and hold no formula.
"""

from __future__ import annotations

from collections.abc import Callable

from bursar.dims import Dim
from bursar.ops.attention import Attention
from bursar.ops.elementwise import Activation, Add, Concat, Dropout, Gated, LayerNorm, RMSNorm, Rotary, Slice
from bursar.ops.linear import Embedding, Head, Linear, Loss, PositionEmbedding, Router, Tokens
from bursar.ops.moe import Experts
from bursar.tree import Block, Input, Op

Lines = dict[str, Op]
Norm = Callable[[str, Dim], Op]


def grouped_attention(
    x: str, h: Dim, heads: Dim, kv_heads: Dim, d: Dim, *,
    norm: Norm = RMSNorm, qkv_bias: bool = False, out_bias: bool = False, qk_norm: bool = False,
    window: Dim | None = None, dropout: float = 0.0,
) -> Lines:  # fmt: skip
    """Pre-norm attention with rotary positions and grouped keys (arXiv:2305.13245).

    `qk_norm` norms every head of Q and K (arXiv:2302.05442).
    """
    q, k = ("attn.q_norm", "attn.k_norm") if qk_norm else ("attn.q", "attn.k")
    return {
        "attn.norm": norm(x, h),
        "attn.q": Linear("attn.norm", h, heads * d, "column", qkv_bias, unit=d),
        "attn.k": Linear("attn.norm", h, kv_heads * d, "column", qkv_bias, unit=d),
        "attn.v": Linear("attn.norm", h, kv_heads * d, "column", qkv_bias, unit=d),
        **({"attn.q_norm": RMSNorm("attn.q", d, heads), "attn.k_norm": RMSNorm("attn.k", d, kv_heads)} if qk_norm else {}),
        "attn.q_rotary": Rotary(q, heads * d, d),
        "attn.k_rotary": Rotary(k, kv_heads * d, d),
        "attn.core": Attention(
            "attn.q_rotary", "attn.k_rotary", "attn.v", heads, kv_heads, d, d, kv_heads * (d + d), window, dropout=dropout
        ),
        "attn.out": Linear("attn.core", heads * d, h, "row", out_bias),
        "attn.add": Add(x, "attn.out", h),
    }


def fused_qkv_attention(x: str, h: Dim, heads: Dim, d: Dim, *, norm: Norm, dropout: float, residual_dropout: float) -> Lines:
    """Pre-norm attention of GPT-2: one biased product makes Q, K and V, which are views of it."""
    return {
        "attn.norm": norm(x, h),
        "attn.qkv": Linear("attn.norm", h, 3 * heads * d, "column", True, unit=3 * d),
        "attn.q": Slice("attn.qkv", heads * d),
        "attn.k": Slice("attn.qkv", heads * d),
        "attn.v": Slice("attn.qkv", heads * d),
        "attn.core": Attention("attn.q", "attn.k", "attn.v", heads, heads, d, d, heads * (d + d), dropout=dropout),
        "attn.out": Linear("attn.core", heads * d, h, "row", True),
        "attn.dropout": Dropout("attn.out", h, residual_dropout),
        "attn.add": Add(x, "attn.dropout", h),
    }


def latent_attention(
    x: str, h: Dim, heads: Dim, q_rank: Dim | None, kv_rank: Dim, nope: Dim, rope: Dim, v: Dim, *, bias: bool, dropout: float
) -> Lines:
    """Multi-head latent attention (arXiv:2405.04434, section 2.1): keys and values come from a latent of `kv_rank` that is
    cached together with one rotary key for all heads."""
    width = nope + rope
    query: Lines = (
        {"attn.q": Linear("attn.norm", h, heads * width, "column", unit=width)}
        if q_rank is None
        else {
            "attn.q_down": Linear("attn.norm", h, q_rank, "replicated", bias),
            "attn.q_norm": RMSNorm("attn.q_down", q_rank),
            "attn.q": Linear("attn.q_norm", q_rank, heads * width, "column", unit=width),
        }
    )
    return {
        "attn.norm": RMSNorm(x, h),
        **query,
        "attn.kv_down": Linear("attn.norm", h, kv_rank + rope, "replicated", bias),
        "attn.latent": Slice("attn.kv_down", kv_rank),
        "attn.kv_norm": RMSNorm("attn.latent", kv_rank),
        "attn.kv_up": Linear("attn.kv_norm", kv_rank, heads * (nope + v), "column", unit=nope + v),
        "attn.k_nope": Slice("attn.kv_up", heads * nope),
        "attn.v": Slice("attn.kv_up", heads * v),
        "attn.k_shared": Slice("attn.kv_down", rope),
        "attn.k_rotary": Rotary("attn.k_shared", rope, rope),
        "attn.q_rotary": Rotary("attn.q", heads * width, rope),
        "attn.k": Concat("attn.k_nope", "attn.k_rotary", heads * nope, heads * rope),
        "attn.core": Attention("attn.q_rotary", "attn.k", "attn.v", heads, heads, width, v, kv_rank + rope, dropout=dropout),
        "attn.out": Linear("attn.core", heads * v, h, "row", bias),
        "attn.add": Add(x, "attn.out", h),
    }


def gated_mlp(x: str, h: Dim, f: Dim, *, bias: bool = False, function: str = "silu") -> Lines:
    """Pre-norm gated feed-forward (arXiv:2002.05202)."""
    return {
        "mlp.norm": RMSNorm(x, h),
        **gated_product("mlp.norm", h, f, prefix="mlp.", bias=bias, function=function),
        "mlp.add": Add(x, "mlp.down", h),
    }


def gated_product(x: str, h: Dim, f: Dim, *, prefix: str = "", bias: bool = False, function: str = "silu") -> Lines:
    """The three products of a gated feed-forward layer."""
    return {
        f"{prefix}gate": Linear(x, h, f, "column", bias),
        f"{prefix}up": Linear(x, h, f, "column", bias),
        f"{prefix}act": Gated(f"{prefix}gate", f"{prefix}up", f, function),
        f"{prefix}down": Linear(f"{prefix}act", f, h, "row", bias),
    }


def plain_mlp(x: str, h: Dim, f: Dim, *, norm: Norm, dropout: float = 0.0, function: str = "gelu") -> Lines:
    """Pre-norm feed-forward with one activation and biases."""
    return {
        "mlp.norm": norm(x, h),
        "mlp.up": Linear("mlp.norm", h, f, "column", True),
        "mlp.act": Activation("mlp.up", f, function),
        "mlp.down": Linear("mlp.act", f, h, "row", True),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add(x, "mlp.dropout", h),
    }


def experts_mlp(
    x: str, h: Dim, f: Dim, experts: Dim, top_k: Dim, *, correction: bool = False, shared: Dim | None = None, function: str = "silu"
) -> Lines:
    """Pre-norm mixture of gated experts; `shared` is the width of the experts that every token goes through (arXiv:2401.06066)."""
    inside = Block({"x": Input(h), **gated_product("x", h, f, function=function)}, "expert")
    routed: Lines = {
        "mlp.norm": RMSNorm(x, h),
        "router": Router("mlp.norm", h, experts, correction=correction),
        "experts": Experts("mlp.norm", "router", experts, top_k, h, block=inside),
    }
    if shared is None:
        return {**routed, "mlp.add": Add(x, "experts", h)}
    return {
        **routed,
        **gated_product("mlp.norm", h, shared, prefix="shared.", function=function),
        "mlp.sum": Add("experts", "shared.down", h),
        "mlp.add": Add(x, "mlp.sum", h),
    }


def token_stem(vocab: Dim, h: Dim) -> Block:
    """Token ids to vectors."""
    return Block({"tokens": Tokens(), "embedding": Embedding("tokens", vocab, h)}, "stem")


def positioned_stem(vocab: Dim, positions: Dim, h: Dim, dropout: float) -> Block:
    """Token ids to vectors, plus a learned vector per position."""
    lines: Lines = {
        "tokens": Tokens(),
        "embedding": Embedding("tokens", vocab, h),
        "positions": PositionEmbedding("tokens", positions, h),
        "embed.add": Add("embedding", "positions", h),
        "embed.dropout": Dropout("embed.add", h, dropout),
    }
    return Block(lines, "stem")


def head(h: Dim, vocab: Dim, *, tied: bool, norm: Norm = RMSNorm) -> Block:
    """Final norm, logits and loss."""
    lines: Lines = {
        "x": Input(h),
        "norm": norm("x", h),
        "head": Head("norm", h, vocab, tied="embedding" if tied else None),
        "loss": Loss("head", vocab),
    }
    return Block(lines, "head")


__all__ = [
    "Lines", "experts_mlp", "fused_qkv_attention", "gated_mlp", "gated_product", "grouped_attention", "head",
    "latent_attention", "plain_mlp", "positioned_stem", "token_stem", "LayerNorm", "RMSNorm",
]  # fmt: skip
