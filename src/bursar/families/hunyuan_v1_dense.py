"""Hunyuan dense models of 0.5B to 7B (Tencent, 2025): Llama's layer with every head of Q and K normed after its rotation."""

from __future__ import annotations

from bursar.config import Config
from bursar.ops.attention import Attention
from bursar.ops.blocks import gated_mlp, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm, Rotary
from bursar.ops.linear import Linear
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads", default=heads)
    d = c.dim("head_dim")
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    c.expect("hidden_act", "silu")
    c.expect("use_qk_norm", True)
    c.expect("mlp_bias", False)
    c.expect("use_cla", False)
    c.expect("add_classification_head", False)
    c.ignore("read only with the switches above", "cla_share_factor", "class_num", "dense_list", "pool_type")
    c.ignore("the same as head_dim", "attention_head_dim")
    c.ignore("a token id", "eod_token_id")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        "attn.q": Linear("attn.norm", h, heads * d, "column", bias, unit=d),
        "attn.k": Linear("attn.norm", h, kv_heads * d, "column", bias, unit=d),
        "attn.v": Linear("attn.norm", h, kv_heads * d, "column", bias, unit=d),
        "attn.q_rotary": Rotary("attn.q", heads * d, d),
        "attn.k_rotary": Rotary("attn.k", kv_heads * d, d),
        "attn.q_norm": RMSNorm("attn.q_rotary", d, heads),
        "attn.k_norm": RMSNorm("attn.k_rotary", d, kv_heads),
        "attn.core": Attention("attn.q_norm", "attn.k_norm", "attn.v", heads, kv_heads, d, d, kv_heads * (d + d), dropout),
        "attn.out": Linear("attn.core", heads * d, h, "row", bias),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size")),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    return Architecture(
        family="hunyuan_v1_dense",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=2048),
    )
