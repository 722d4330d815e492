"""Grok-2 (xAI, weights of 23 August 2025; structure of SGLang's grok.py): Grok-1's layer with a dense feed-forward layer beside the
experts, and an output layer of its own."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim, top_k
from bursar.ops.blocks import gated_mlp, grouped_attention, head, routed_experts, token_stem, with_shared_experts
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    experts = c.dim("num_local_experts", "num_experts")
    expert = gated_mlp("x", h, c.dim("moe_intermediate_size"), prefix="", function="gelu")
    c.has("residual_moe")
    c.expect("residual_moe", True)
    c.expect("hidden_act", "gelu")
    c.expect("sliding_window_size", -1)
    c.expect("global_attn_every_n", 1)
    c.ignore("scales Q by a number of its position", "attn_temperature_len")
    c.ignore("the height of a cap", "attn_logit_softcapping", "router_logit_softcapping")
    c.ignore("one number times a tensor", "embedding_multiplier_scale", "output_multiplier_scale")

    routed = routed_experts("mlp.norm", h, experts, top_k(c, experts), expert)
    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention("attn.norm", h, heads, c.dim("num_key_value_heads"), head_dim(c, h, heads), softcap=True),
        "attn.post_norm": RMSNorm("attn.out", h),
        "attn.add": Add("x", "attn.post_norm", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **with_shared_experts("mlp.norm", h, routed, c.dim("intermediate_size"), function="gelu"),
        "mlp.post_norm": RMSNorm("mlp.sum", h),
        "mlp.add": Add("attn.add", "mlp.post_norm", h),
    })  # fmt: skip
    return Architecture(
        family="grok-2",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), softcap=c.present("final_logit_softcapping", None)),),
        context=c.dim("max_position_embeddings"),
    )
