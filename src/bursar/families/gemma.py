"""Gemma (arXiv:2403.08295): one or as many heads of keys and values, heads wider than hidden size over heads, GeGLU, a tied head.

The embedding is scaled by √h and a norm's weight is 1 + γ; both are constants inside operators that are there.
"""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import ACTIVATIONS
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    function = c.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh")
    c.expect("hidden_activation", None, "gelu_pytorch_tanh", "gelu")
    c.expect("use_bidirectional_attention", None, False)

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, c.dim("num_attention_heads"), c.dim("num_key_value_heads"), c.dim("head_dim"), qkv_bias=bias,
            out_bias=bias, dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size"), function=function),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="gemma",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True)),),
        context=c.dim("max_position_embeddings", default=8192),
    )
