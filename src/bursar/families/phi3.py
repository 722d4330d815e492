"""Phi-3 and Phi-4 (arXiv:2404.14219, arXiv:2412.08905): Llama's layer with dropout before the residual sums.

The checkpoint holds Q, K and V in one tensor and gate and up in another; here they are products of their own, which read the
same tensor once, so that a tensor-parallel rank holds its own queries and the keys that they need.
"""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim, rotated
from bursar.ops.blocks import gated_mlp, grouped_attention, head, token_stem
from bursar.ops.elementwise import Add, Dropout, RMSNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = head_dim(c, h, heads)
    vocab = c.dim("vocab_size")
    dropout = c.probability("resid_pdrop")
    c.expect("hidden_act", "silu")
    for key in ("attention_bias", "mlp_bias", "lm_head_bias"):
        c.expect(key, False)
    c.expect("full_attn_mod", 1)
    c.expect("interpolate_factor", 1)
    c.ignore("the published module has this dropout and never calls it", "embd_pdrop")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads", default=heads), d, rotated=rotated(c, d),
            window=c.dim("sliding_window", default=None), dropout=c.probability("attention_dropout"),
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **gated_mlp("mlp.norm", h, c.dim("intermediate_size")),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="phi3",
        stem=(token_stem(vocab, h),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=4096),
    )
