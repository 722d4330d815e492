"""GLM-4 9B (arXiv:2406.12793) in transformers' layout: Llama's layer with biases on Q, K and V, and half of each head rotated.

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
    c.expect("hidden_act", "silu")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, c.dim("num_attention_heads"), c.dim("num_key_value_heads"), d, qkv_bias=c.flag("attention_bias", True),
            rotated=rotated(c, d, default=0.5), dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size")),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="glm",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=131072),
    )
