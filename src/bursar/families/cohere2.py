"""Command R7B and Command A (arXiv:2504.00698): Command R's parallel block; three layers with a window and rotary positions for
each one with full attention and no positions (arXiv:2501.18795)."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim, split
from bursar.families._windows import alternating
from bursar.families.cohere import norm
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem, unrotated_attention
from bursar.ops.elementwise import Add
from bursar.tree import Architecture, Block, Input


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads", default=heads)
    d = split(h, heads, "hidden_size", "num_attention_heads")
    f = c.dim("intermediate_size")
    vocab = c.dim("vocab_size")
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    c.expect("hidden_act", "silu")
    c.expect("use_qk_norm", False)
    c.expect("position_embedding_type", "rope_gptj")
    c.expect("order_of_interleaved_layers", "local_attn_first")
    c.expect("rotary_pct", 1.0, 1)
    for key in ("use_embedding_sharing", "use_gated_activation", "use_parallel_block", "use_parallel_embedding"):
        c.expect(key, True)
    c.ignore("hidden size over heads, whatever it says", "head_dim")
    c.ignore("a constant factor of the logits", "logit_scale")
    c.ignore("the length that a tokenizer warns at", "model_max_length")
    c.ignore("which cache a library builds", "cache_implementation")

    def layer(window: Dim | None) -> Block:
        piece = unrotated_attention if window is None else grouped_attention
        return Block({
            "x": Input(h),
            "attn.norm": norm("x", h),
            **piece("attn.norm", h, heads, kv_heads, d, qkv_bias=bias, out_bias=bias, window=window, dropout=dropout),
            "attn.add": Add("x", "attn.out", h),
            **gated_mlp("attn.norm", h, f),
            "mlp.add": Add("attn.add", "mlp.down", h),
        }, "full" if window is None else "sliding")  # fmt: skip

    return Architecture(
        family="cohere2",
        stem=(token_stem(vocab, h),),
        trunk=alternating(c, c.count("sliding_window_pattern", "layer_switch", default=4, low=1), layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=norm),),
        context=c.dim("max_position_embeddings", default=8192),
    )
