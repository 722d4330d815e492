"""Kolibri 1: norms before and after both pieces, head norms of Q and K; windows with rotary positions on four of five layers, full
attention without positions on the fifth; fine-grained experts beside a shared one on every layer."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim
from bursar.families._common import top_k
from bursar.families._windows import alternating
from bursar.ops.attention import Attention
from bursar.ops.blocks import Lines, gated_mlp, grouped_attention, head, routed_experts, token_stem, with_shared_experts
from bursar.ops.elementwise import Add, RMSNorm
from bursar.ops.linear import Linear
from bursar.tree import Architecture, Block, Input


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads")
    d = c.dim("head_dim")
    vocab = c.dim("vocab_size")
    experts = c.dim("num_experts", "num_local_experts")
    shared = c.dim("shared_expert_intermediate_size")
    dropout = c.probability("attention_dropout")
    c.expect("hidden_act", "silu")
    c.expect("attention_bias", False)
    c.expect("use_sliding_window", True)
    c.ignore("storage of the head, which a plan's precision says", "head_dtype")

    unrotated: Lines = {
        "attn.q": Linear("attn.norm", h, heads * d, "column", unit=d),
        "attn.k": Linear("attn.norm", h, kv_heads * d, "column", unit=d),
        "attn.v": Linear("attn.norm", h, kv_heads * d, "column", unit=d),
        "attn.q_norm": RMSNorm("attn.q", d, heads),
        "attn.k_norm": RMSNorm("attn.k", d, kv_heads),
        "attn.core": Attention("attn.q_norm", "attn.k_norm", "attn.v", heads, kv_heads, d, d, kv_heads * (d + d), dropout),
        "attn.out": Linear("attn.core", heads * d, h, "row"),
    }
    expert = gated_mlp("x", h, c.dim("moe_intermediate_size"), prefix="")
    routed = routed_experts("mlp.norm", h, experts, top_k(c, experts), expert, correction=True)

    def layer(window: Dim | None) -> Block:
        rotated = grouped_attention("attn.norm", h, heads, kv_heads, d, qk_norm=RMSNorm, window=window, dropout=dropout)
        return Block({
            "x": Input(h),
            "attn.norm": RMSNorm("x", h),
            **(unrotated if window is None else rotated),
            "attn.post_norm": RMSNorm("attn.out", h),
            "attn.add": Add("x", "attn.post_norm", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **with_shared_experts("mlp.norm", h, routed, shared),
            "mlp.post_norm": RMSNorm("mlp.sum", h),
            "mlp.add": Add("attn.add", "mlp.post_norm", h),
        }, "full" if window is None else "sliding")  # fmt: skip

    return Architecture(
        family="kolibri1",
        stem=(token_stem(vocab, h),),
        trunk=alternating(c, 5, layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=262144),
    )
