"""GPT-J-6B (Wang and Komatsuzaki 2021): attention and feed-forward side by side after one LayerNorm, attention without biases,
64 of a head's elements rotated, and an output layer with a bias."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.families._common import ACTIVATIONS
from bursar.ops.blocks import grouped_attention, head, plain_mlp, token_stem
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("n_embd", "hidden_size")
    heads = c.dim("n_head", "num_attention_heads")
    vocab = c.dim("vocab_size")
    dropout = c.probability("resid_pdrop")
    c.has("rotary_dim")
    c.expect("rotary", True)
    c.expect("n_ctx", c.values.get("n_positions"))
    c.ignore("a summary head is for classification", *[f"summary_{end}" for end in SUMMARY])

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, heads, split(h, heads, "n_embd", "n_head"), rotated=c.dim("rotary_dim", default=None),
            dropout=c.probability("attn_pdrop"),
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        **plain_mlp(
            "attn.norm", h, c.dim("n_inner", default=4 * h), bias=True,
            function=c.choice("activation_function", ACTIVATIONS, "gelu_new"),
        ),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="gptj",
        stem=(token_stem(vocab, h, c.probability("embd_pdrop")),),
        trunk=(Repeat(c.layers("n_layer", "num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), norm=LayerNorm, bias=True),),
        context=c.dim("n_positions", "max_position_embeddings", default=2048),
    )


SUMMARY = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")
