"""Command R and Command R+ (Cohere, 2024): attention and feed-forward side by side after one LayerNorm without bias, and a tied
head; in Command R+ every head of Q and K has a LayerNorm with weights of its own."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim
from bursar.families._common import head_dim
from bursar.ops.attention import Attention
from bursar.ops.blocks import Lines, gated_mlp, head, token_stem
from bursar.ops.elementwise import Add, LayerNorm, Rotary
from bursar.ops.linear import Linear
from bursar.ops.norms import HeadNorm
from bursar.tree import Architecture, Block, Input, Repeat


def norm(x: str, h: Dim) -> LayerNorm:
    """Cohere's LayerNorm."""
    return LayerNorm(x, h, bias=False)


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads", default=heads)
    d = head_dim(c, h, heads)
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    normed = c.flag("use_qk_norm", False)
    q, k = ("attn.q_norm", "attn.k_norm") if normed else ("attn.q", "attn.k")
    norms: Lines = {
        "attn.q_norm": HeadNorm("attn.q", d, heads, bias=False),
        "attn.k_norm": HeadNorm("attn.k", d, kv_heads, bias=False),
    }
    c.expect("hidden_act", "silu")
    c.ignore("a constant factor of the logits", "logit_scale")
    c.ignore("the length that a tokenizer warns at", "model_max_length")

    layer = Block({
        "x": Input(h),
        "attn.norm": norm("x", h),
        "attn.q": Linear("attn.norm", h, heads * d, "column", bias, unit=d),
        "attn.k": Linear("attn.norm", h, kv_heads * d, "column", bias, unit=d),
        "attn.v": Linear("attn.norm", h, kv_heads * d, "column", bias, unit=d),
        **(norms if normed else {}),
        "attn.q_rotary": Rotary(q, heads * d, d),
        "attn.k_rotary": Rotary(k, kv_heads * d, d),
        "attn.core": Attention("attn.q_rotary", "attn.k_rotary", "attn.v", heads, kv_heads, d, d, kv_heads * (d + d), dropout),
        "attn.out": Linear("attn.core", heads * d, h, "row", bias),
        "attn.add": Add("x", "attn.out", h),
        **gated_mlp("attn.norm", h, c.dim("intermediate_size")),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="cohere",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=norm),),
        context=c.dim("max_position_embeddings", default=8192),
    )
