"""GLM-4-0414 (Zhipu AI, 2025): GLM-4's layer with norms after attention and feed-forward too.

The checkpoint holds gate and up in one tensor; here they are two products, which read the same tensor once.
"""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import rotated
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    d = c.dim("head_dim")
    vocab = c.dim("vocab_size")
    c.has("attention_bias")
    c.expect("hidden_act", "silu")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, c.dim("num_attention_heads"), c.dim("num_key_value_heads"), d, qkv_bias=c.flag("attention_bias"),
            rotated=rotated(c, d, default=0.5), dropout=c.probability("attention_dropout"),
        ),
        "attn.post_norm": RMSNorm("attn.out", h),
        "attn.add": Add("x", "attn.post_norm", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size")),
        "mlp.post_norm": RMSNorm("mlp.down", h),
        "mlp.add": Add("attn.add", "mlp.post_norm", h),
    })  # fmt: skip
    return Architecture(
        family="glm4",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=131072),
    )
