"""Gemma 3, its text part (arXiv:2503.19786): five layers with a window for each one with full attention, which has rotary positions
of another base frequency; every head of Q and K normed instead of capped; norms before and after each part; GeGLU, a tied head."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim
from bursar.families._common import ACTIVATIONS
from bursar.families._windows import alternating
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads, kv_heads, d = c.dim("num_attention_heads"), c.dim("num_key_value_heads"), c.dim("head_dim")
    f = c.dim("intermediate_size")
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    function = c.choice("hidden_activation", ACTIVATIONS, "gelu_pytorch_tanh")
    c.expect("attn_logit_softcapping", None)
    c.expect("use_bidirectional_attention", None, False)
    c.ignore("a constant inside the rotation", "rope_local_base_freq")
    c.ignore("the scale of the scores, a constant inside the core", "query_pre_attn_scalar")
    c.ignore("which cache a library builds", "cache_implementation")

    def layer(window: Dim | None) -> Block:
        return Block({
            "x": Input(h),
            "attn.norm": RMSNorm("x", h),
            **grouped_attention(
                "attn.norm", h, heads, kv_heads, d, qkv_bias=bias, out_bias=bias, qk_norm=RMSNorm, window=window, dropout=dropout,
                base="" if window is None else "local",
            ),
            "attn.post_norm": RMSNorm("attn.out", h),
            "attn.add": Add("x", "attn.post_norm", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **gated_mlp("mlp.norm", h, f, function=function),
            "mlp.post_norm": RMSNorm("mlp.down", h),
            "mlp.add": Add("attn.add", "mlp.post_norm", h),
        }, "full" if window is None else "sliding")  # fmt: skip

    return Architecture(
        family="gemma3_text",
        stem=(token_stem(vocab, h),),
        trunk=alternating(c, c.count("sliding_window_pattern", "_sliding_window_pattern", default=6, low=1), layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), softcap=c.present("final_logit_softcapping", None)),),
        context=c.dim("max_position_embeddings", default=131072),
    )
