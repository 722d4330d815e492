"""Grok-1 (xAI, 17 March 2024; structure of its published model.py): eight experts on every layer, norms before and after
attention and experts, capped attention scores, one table for input and output."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim, top_k
from bursar.ops.blocks import gated_mlp, grouped_attention, head, routed_experts, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    experts = c.dim("num_experts", "num_local_experts")
    expert = gated_mlp("x", h, c.dim("intermediate_size"), prefix="", function="gelu")
    c.expect("hidden_act", "gelu")
    c.ignore("one number times a tensor", "embedding_multiplier_scale", "output_multiplier_scale", "attn_output_multiplier")
    c.ignore("the height of the cap", "max_attn_value")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention("attn.norm", h, heads, c.dim("num_key_value_heads"), head_dim(c, h, heads), softcap=True),
        "attn.post_norm": RMSNorm("attn.out", h),
        "attn.add": Add("x", "attn.post_norm", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **routed_experts("mlp.norm", h, experts, top_k(c, experts), expert),
        "mlp.post_norm": RMSNorm("experts", h),
        "mlp.add": Add("attn.add", "mlp.post_norm", h),
    })  # fmt: skip
    return Architecture(
        family="grok-1",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True)),),
        context=c.dim("max_position_embeddings"),
    )
