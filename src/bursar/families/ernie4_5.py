"""ERNIE 4.5 0.3B, the dense model of the series (ERNIE 4.5 Technical Report, Baidu, 2025): Llama's layer, biases everywhere or
nowhere, a tied head."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    bias = c.flag("use_bias", False)
    c.has("head_dim", "num_key_value_heads")
    c.expect("hidden_act", "silu")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads", default=heads), head_dim(c, h, heads), qkv_bias=bias, out_bias=bias
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size"), bias=bias),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="ernie4_5",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True)),),
        context=c.dim("max_position_embeddings", default=131072),
    )
