"""OPT (arXiv:2205.01068): GPT-3's layer with ReLU and separate Q, K and V. The table of learned positions has two rows more than
there are positions. The 350M model norms after each residual sum, has no norm before the head, and looks tokens up in a
narrower table that is projected to the hidden size and back. Galactica (arXiv:2211.09085) has no biases."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.families._common import ACTIVATIONS
from bursar.ops.blocks import Lines, plain_mlp, unrotated_attention
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.ops.linear import Embedding, Head, Linear, Loss, PositionEmbedding, Tokens
from bursar.ops.norms import PlainLayerNorm
from bursar.tree import Architecture, Block, Input, Repeat

PADDING = 2  # rows of the position table before position 0


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    projected = c.values.get("word_embed_proj_dim") not in (None, c.values["hidden_size"])
    narrow = c.dim("word_embed_proj_dim") if projected else h
    c.ignore("as wide as the hidden size where it is not read", "word_embed_proj_dim")
    positions = c.dim("max_position_embeddings", default=2048)
    dropout = c.probability("dropout", 0.1)
    bias = c.flag("enable_bias", True)
    before = c.flag("do_layer_norm_before", True)
    removed = c.flag("_remove_final_layer_norm", False)
    last_norm = before and not removed
    norm = LayerNorm if c.flag("layer_norm_elementwise_affine", True) else PlainLayerNorm
    c.expect("layerdrop", 0, 0.0)

    attention = unrotated_attention(
        "attn.norm" if before else "x", h, heads, heads, split(h, heads, "hidden_size", "num_attention_heads"),
        qkv_bias=bias, out_bias=bias, dropout=c.probability("attention_dropout"),
    )  # fmt: skip
    mlp = plain_mlp(
        "mlp.norm" if before else "attn.post_norm", h, c.dim("ffn_dim"), bias=bias,
        function=c.choice("activation_function", ACTIVATIONS, "relu"),
    )  # fmt: skip
    pre_norm: Lines = {
        "x": Input(h),
        "attn.norm": norm("x", h),
        **attention,
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        "mlp.norm": norm("attn.add", h),
        **mlp,
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    }
    post_norm: Lines = {
        "x": Input(h),
        **attention,
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        "attn.post_norm": norm("attn.add", h),
        **mlp,
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.post_norm", "mlp.dropout", h),
        "mlp.post_norm": norm("mlp.add", h),
    }
    stem: Lines = {
        "tokens": Tokens(),
        "embedding": Embedding("tokens", vocab, narrow),
        **({"project_in": Linear("embedding", narrow, h, "replicated")} if projected else {}),
        "positions": PositionEmbedding("tokens", positions + PADDING, h),
        "embed.add": Add("project_in" if projected else "embedding", "positions", h),
    }
    normed, last = "norm" if last_norm else "x", "project_out" if projected else "norm" if last_norm else "x"
    tail: Lines = {
        "x": Input(h),
        **({"norm": norm("x", h)} if last_norm else {}),
        **({"project_out": Linear(normed, h, narrow, "replicated")} if projected else {}),
        "head": Head(last, narrow, vocab, tied="embedding" if c.flag("tie_word_embeddings", True) else None),
        "loss": Loss("head", vocab),
    }
    return Architecture(
        family="opt",
        stem=(Block(stem, "stem"),),
        trunk=(Repeat(c.layers("num_hidden_layers"), Block(pre_norm if before else post_norm)),),
        tail=(Block(tail, "head"),),
        context=positions,
        max_length=positions,
    )
