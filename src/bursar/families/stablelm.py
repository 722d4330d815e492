"""StableLM 3B-4E1T and Stable LM 2 (arXiv:2402.17834): Llama's layer with LayerNorm, a quarter of each head rotated, and biases on
Q, K and V in the 1.6B model. The 12B model has a parallel residual, where one norm serves attention and feed-forward, and a
LayerNorm with weights of its own for every head of Q and K."""

from __future__ import annotations

from functools import partial

from bursar.config import Config
from bursar.dims import split
from bursar.families._common import rotated
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.ops.norms import HeadNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = split(h, heads, "hidden_size", "num_attention_heads")
    vocab = c.dim("vocab_size")
    kv_heads = c.dim("num_key_value_heads")
    width = rotated(c, d, "partial_rotary_factor", "rope_pct", default=0.25)
    parallel = c.flag("use_parallel_residual", False)
    qk_norm = partial(HeadNorm, bias=False) if c.flag("qk_layernorm", False) else None
    c.expect("hidden_act", "silu")

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, kv_heads, d, qkv_bias=c.flag("use_qkv_bias", False), qk_norm=qk_norm, rotated=width,
            dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        **({} if parallel else {"mlp.norm": LayerNorm("attn.add", h)}),
        **gated_mlp("attn.norm" if parallel else "mlp.norm", h, c.dim("intermediate_size")),
        "mlp.dropout": Dropout("mlp.down", h, c.probability("hidden_dropout")),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="stablelm",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), norm=LayerNorm),),
        context=c.dim("max_position_embeddings", default=4096),
    )
