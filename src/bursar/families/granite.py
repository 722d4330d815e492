"""Granite 3.0 to 3.3 (IBM, 2024): Llama's layer with constant factors on the embedding, the residual branches, the scores and the
logits (arXiv:2408.13359), which cost nothing beside the operators that they are part of."""

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
    bias = c.flag("attention_bias", False)
    c.expect("hidden_act", "silu")
    c.ignore("constant factors", *[f"{word}_multiplier" for word in ("embedding", "residual", "attention")], "logits_scaling")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads", default=heads), head_dim(c, h, heads), qkv_bias=bias, out_bias=bias,
            dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size"), bias=c.flag("mlp_bias", False)),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="granite",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=2048),
    )
