"""Granite 3.0 and 3.1 mixtures of experts (the 1B-A400M and 3B-A800M models): Llama's attention, fine-grained experts on every
layer. Embeddings, residual branches, scores and logits are multiplied by constants (arXiv:2408.13359)."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim, top_k
from bursar.ops.blocks import gated_mlp, grouped_attention, head, routed_experts, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat

CONSTANTS = ("embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier")


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    experts = c.dim("num_local_experts")
    bias = c.flag("attention_bias", False)
    c.expect("hidden_act", "silu")
    c.ignore("constant factors, folded into the product or the sum beside them", *CONSTANTS)

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads", default=heads), head_dim(c, h, heads), qkv_bias=bias, out_bias=bias,
            dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **routed_experts("mlp.norm", h, experts, top_k(c, experts), gated_mlp("x", h, c.dim("intermediate_size"), prefix="")),
        "mlp.add": Add("attn.add", "experts", h),
    })  # fmt: skip
    return Architecture(
        family="granitemoe",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=2048),
    )
