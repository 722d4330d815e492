"""BLOOM (arXiv:2211.05100): GPT-2's layer with ALiBi (arXiv:2108.12409), a bias of the scores that falls with distance and has no
parameters, and a LayerNorm right after the embedding."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.ops.blocks import fused_qkv_attention, head, plain_mlp
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.ops.linear import Embedding, Tokens
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size", "n_embed")
    heads = c.dim("n_head", "num_attention_heads")
    vocab = c.dim("vocab_size")
    dropout = c.probability("hidden_dropout")
    normed = c.flag("apply_residual_connection_post_layernorm", False)
    c.expect("slow_but_exact", False)
    c.ignore("switches of the training framework's kernels", *FUSIONS)

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **fused_qkv_attention(
            "attn.norm", h, heads, split(h, heads, "hidden_size", "n_head"), bias=True, dropout=c.probability("attention_dropout")
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("attn.norm" if normed else "x", "attn.dropout", h),
        "mlp.norm": LayerNorm("attn.add", h),
        **plain_mlp("mlp.norm", h, 4 * h, bias=True, function="gelu"),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("mlp.norm" if normed else "attn.add", "mlp.dropout", h),
    })  # fmt: skip
    stem = Block({"tokens": Tokens(), "embedding": Embedding("tokens", vocab, h), "embed.norm": LayerNorm("embedding", h)}, "stem")
    return Architecture(
        family="bloom",
        stem=(stem,),
        trunk=(Repeat(c.layers("n_layer", "num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=LayerNorm),),
        context=c.dim("seq_length", default=2048),
    )


FUSIONS = (
    "attention_softmax_in_fp32", "bias_dropout_fusion", "masked_softmax_fusion", "offset_alibi", "skip_bias_add",
    "skip_bias_add_qkv",
)  # fmt: skip
