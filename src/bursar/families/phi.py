"""Phi-1, Phi-1.5 and Phi-2 (arXiv:2306.11644, arXiv:2309.05463): attention and feed-forward side by side after one LayerNorm, a
part of each head rotated, biases everywhere, the output layer's included."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import ACTIVATIONS, head_dim, rotated
from bursar.ops.blocks import grouped_attention, head, plain_mlp, token_stem
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = head_dim(c, h, heads)
    f = c.dim("intermediate_size")
    vocab = c.dim("vocab_size")
    dropout = c.probability("resid_pdrop")
    c.expect("qk_layernorm", False)

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads", default=heads), d, qkv_bias=True, out_bias=True,
            rotated=rotated(c, d, default=0.5), dropout=c.probability("attention_dropout"),
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        **plain_mlp("attn.norm", h, f, bias=True, function=c.choice("hidden_act", ACTIVATIONS, "gelu_new")),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="phi",
        stem=(token_stem(vocab, h, c.probability("embd_pdrop")),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), norm=LayerNorm, bias=True),),
        context=c.dim("max_position_embeddings", default=2048),
    )
