"""Nemotron-4 15B and 340B, Minitron (arXiv:2402.16819, arXiv:2406.11704): grouped keys, half of each head rotated, squared ReLU,
no biases, and a LayerNorm whose weight is stored as its distance from 1, which is no other size."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import ACTIVATIONS, head_dim, rotated
from bursar.ops.blocks import grouped_attention, head, plain_mlp, token_stem
from bursar.ops.elementwise import Add, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = head_dim(c, h, heads)
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads"), d, qkv_bias=bias, out_bias=bias,
            rotated=rotated(c, d, "partial_rotary_factor", "rope_percent", default=0.5),
            dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": LayerNorm("attn.add", h),
        **plain_mlp(
            "mlp.norm", h, c.dim("intermediate_size"), bias=c.flag("mlp_bias", False),
            function=c.choice("hidden_act", ACTIVATIONS, "relu2"),
        ),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="nemotron",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), norm=LayerNorm),),
        context=c.dim("max_position_embeddings", default=4096),
    )
