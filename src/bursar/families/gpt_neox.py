"""GPT-NeoX-20B and Pythia (arXiv:2204.06745, arXiv:2304.01373): attention and feed-forward read the same residual stream, each
through a LayerNorm of its own; one product makes Q, K and V, and a quarter of each head is rotated."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.families._common import ACTIVATIONS, rotated
from bursar.ops.blocks import fused_qkv_attention, head, plain_mlp, token_stem
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = split(h, heads, "hidden_size", "num_attention_heads")
    vocab = c.dim("vocab_size")
    dropout = c.probability("hidden_dropout")
    parallel = c.flag("use_parallel_residual", True)
    c.ignore("a constant of the rotation", "rotary_emb_base")
    c.ignore("a head for classification", "classifier_dropout")
    c.expect("is_decoder", False, True)

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **fused_qkv_attention(
            "attn.norm", h, heads, d, bias=c.flag("attention_bias", True), dropout=c.probability("attention_dropout"),
            rotated=rotated(c, d, "rotary_pct", "partial_rotary_factor", default=0.25),
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        "mlp.norm": LayerNorm("x" if parallel else "attn.add", h),
        **plain_mlp("mlp.norm", h, c.dim("intermediate_size"), bias=True, function=c.choice("hidden_act", ACTIVATIONS, "gelu")),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="gpt_neox",
        stem=(token_stem(vocab, h, dropout),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), norm=LayerNorm),),
        context=c.dim("max_position_embeddings", default=2048),
    )
