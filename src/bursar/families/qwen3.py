"""Qwen3 dense (arXiv:2505.09388): Llama's layer with a norm on every head of Q and K."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim
from bursar.families._common import windowed
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads")
    d = c.dim("head_dim")
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    f = c.dim("intermediate_size")
    c.expect("hidden_act", "silu")

    def layer(window: Dim | None) -> Block:
        return Block({
            "x": Input(h),
            "attn.norm": RMSNorm("x", h),
            **grouped_attention(
                "attn.norm", h, heads, kv_heads, d, qkv_bias=bias, out_bias=bias, qk_norm=RMSNorm, window=window, dropout=dropout
            ),
            "attn.add": Add("x", "attn.out", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **gated_mlp("mlp.norm", h, f),
            "mlp.add": Add("attn.add", "mlp.down", h),
        }, "layer" if window is None else "sliding")  # fmt: skip

    return Architecture(
        family="qwen3",
        stem=(token_stem(vocab, h),),
        trunk=windowed(c, layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=32768),
    )
