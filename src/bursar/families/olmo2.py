"""OLMo 2 (arXiv:2501.00656): norms after attention and feed-forward instead of before, and a norm over all heads of Q and of K."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim
from bursar.families._wide import wide_norm_attention
from bursar.ops.blocks import gated_mlp, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads", default=heads)
    d = head_dim(c, h, heads)
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    c.expect("hidden_act", "silu")

    layer = Block({
        "x": Input(h),
        **wide_norm_attention("x", h, heads, kv_heads, d, bias=bias, rotated=d, dropout=dropout),
        "attn.post_norm": RMSNorm("attn.out", h),
        "attn.add": Add("x", "attn.post_norm", h),
        **gated_mlp("attn.add", h, c.dim("intermediate_size")),
        "mlp.post_norm": RMSNorm("mlp.down", h),
        "mlp.add": Add("attn.add", "mlp.post_norm", h),
    })  # fmt: skip
    return Architecture(
        family="olmo2",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=2048),
    )
