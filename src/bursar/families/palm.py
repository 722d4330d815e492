"""PaLM (arXiv:2204.02311, section 2): attention and SwiGLU side by side after one LayerNorm, one head of keys and values for all
queries (arXiv:1911.02150), rotary positions, no biases, and a head that shares the embedding. There is no config.json of it but
this project's, with the usual names for the sizes of the paper's table 1."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim
from bursar.families._common import head_dim
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def norm(x: str, h: Dim) -> LayerNorm:
    """A LayerNorm without bias."""
    return LayerNorm(x, h, bias=False)


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    c.expect("hidden_act", "silu")

    layer = Block({
        "x": Input(h),
        "attn.norm": norm("x", h),
        **grouped_attention("attn.norm", h, heads, c.dim("num_key_value_heads"), head_dim(c, h, heads)),
        "attn.add": Add("x", "attn.out", h),
        **gated_mlp("attn.norm", h, c.dim("intermediate_size")),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="palm",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=norm),),
        context=c.dim("max_position_embeddings", default=2048),
    )
